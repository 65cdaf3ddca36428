"""Error pages in the page's language, and refusals of the operators' pages.

An error page reads nothing from a store: one may be why there is an error. Who may see operators' pages is the rule of
api/admin/access.py; for everybody else there are no such pages.
"""

from http import HTTPStatus

from flask import Flask, Response, make_response, render_template, request
from flask.typing import ResponseReturnValue

from api.admin.access import check_operator
from api.errors import ApiError, not_found
from api.middleware.auth import current_identity
from api.middleware.languages import fix_language
from api.middleware.problems import build_response, use_error_pages
from api.pages.cookies import ProofNeeded

_KNOWN = {403, 404, 410, 429, 500, 503}
_LANGUAGE = "fr"  # these pages have no other


def register_error_pages(app: Flask) -> None:
    """Answer errors by pages, everywhere but below /api/ and where a script asks for JSON."""
    use_error_pages(app, wants_page, render_error)


def wants_page() -> bool:
    """Return whether this request's errors are answered by a page."""
    if request.path.startswith("/api/"):
        return False
    return request.accept_mimetypes.best_match(["text/html", "application/json"]) != "application/json"


def render_error(error: ApiError) -> Response:
    """Return the page of an error; texts of the error itself are for programs, and not shown."""
    family = (
        error.status
        if error.status in _KNOWN
        else 500
        if error.status >= HTTPStatus.INTERNAL_SERVER_ERROR
        else 400
    )
    wait = error.headers.get("Retry-After", "")
    minutes = -(-int(wait) // 60) if wait.isdigit() else None
    page = render_template("errors/error.html", status=error.status, family=family, minutes=minutes)
    return make_response(page, error.status)


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
        api.pages.cookies.ProofNeeded: this login is older than the second factor.
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
