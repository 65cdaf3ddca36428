"""Access to the operators' pages, by the rule of api/admin/access.py; for everybody else there are no such pages."""

from flask import Flask, make_response, render_template
from flask.typing import ResponseReturnValue

from api.admin.access import check_operator
from api.errors import ApiError, not_found
from api.middleware.auth import current_identity
from api.middleware.languages import fix_language
from api.middleware.problems import build_response
from api.pages.cookie_login import ProofNeeded
from api.pages.error_pages import wants_page

_LANGUAGE = "fr"  # these pages have no other


class OperatorRefused(Exception):
    """An operator may not see this page, or not by this login."""

    def __init__(self, reason: ApiError) -> None:
        super().__init__(reason.word)
        self.reason = reason


def require_operator(*, acts: bool) -> None:
    """Refuse the page unless its reader is an operator; `acts`: an admin. Call require_login first.

    Raises:
        api.errors.ApiError: 404, the reader is no operator.
        OperatorRefused: support wants to act, or there is no second factor.
        api.pages.cookie_login.ProofNeeded: this login is older than the second factor.
    """
    try:
        check_operator(current_identity(), acts=acts)
    except ApiError as error:
        if error.word == "operators-only":
            raise not_found("page") from None
        fix_language(_LANGUAGE)
        if error.word == "recent-proof-needed":
            raise ProofNeeded from None
        raise OperatorRefused(error) from None
    fix_language(_LANGUAGE)


def register_operator_refusals(app: Flask) -> None:
    """Answer refused operators by a page that says what is missing."""
    app.register_error_handler(OperatorRefused, _answer_refused)


def _answer_refused(refused: OperatorRefused) -> ResponseReturnValue:
    if not wants_page():
        return build_response(refused.reason)
    page = render_template("admin/refused.html", word=refused.reason.word)
    return make_response(page, refused.reason.status)
