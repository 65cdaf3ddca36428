"""Areas: blueprints of pages. Each view declares who may see it, which decides on caching, login and form tokens."""

from collections.abc import Callable, Mapping
from enum import StrEnum
from functools import wraps

from flask import Blueprint, Response, current_app, g, make_response, request
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from api.ground.cache import digest_body
from api.ground.errors import ApiError, not_found
from api.ground.translations import mark_languages
from api.models.user import Role
from api.pages.cookies import (
    ProofNeeded,
    check_visitor_token,
    comes_from_elsewhere,
    lead_to,
    require_login,
    require_proof,
)
from api.pages.headers import forbid_keeping, keep_for_everybody
from api.web.auth import current_identity
from api.web.doors import Door, declare_door, read_mark
from api.web.languages import fix_language, read_language
from api.web.rate_limits import count_stranger
from configs.ground.text import FRENCH, FRENCH_AND_ENGLISH

View = Callable[..., ResponseReturnValue]


class Access(StrEnum):
    """Who may see a page, and who may keep it."""

    PUBLIC = "public"  # everybody, and every cache: it cannot read the login, and has no form that posts
    VISITOR = "visitor"  # everybody; never kept; its forms carry a token of their own
    LINK = (
        "link"  # who has the link of a message: its path is the secret; never kept, reads and sends no cookie
    )
    PERSONAL = "personal"  # the user who is signed in; never kept
    PROVEN = "proven"  # the same, after the password was given once more
    OPERATOR = "operator"  # support or an admin with a second factor, who read; never kept
    PROVEN_OPERATOR = "proven-operator"  # the same, who act, after the password was given once more
    ADMIN = "admin"  # an admin with a second factor, who acts; never kept
    PROVEN_ADMIN = "proven-admin"  # the same, after the password was given once more: money and roles


_OPEN = (Access.PUBLIC, Access.VISITOR, Access.LINK)
_SUPPORT = (Access.OPERATOR, Access.PROVEN_OPERATOR)
_OPERATORS = (*_SUPPORT, Access.ADMIN, Access.PROVEN_ADMIN)
_PROVEN = (Access.PROVEN, Access.PROVEN_OPERATOR, Access.PROVEN_ADMIN)


class Area(Blueprint):
    """The pages of one part of the product, with their files in `templates/<area>/` and `static/<area>/`."""

    def page(self, rule: str, access: Access, *, polled: bool = False) -> Callable[[View], View]:
        """Declare a page: a view that answers GET, and changes nothing.

        `polled`: scripts of an open page ask for it, which no operator's login counts as use, and no site map has.
        """
        return self._declare(rule, access, "GET", polled=polled)

    def action(
        self,
        rule: str,
        access: Access,
        *,
        without_token: bool = False,
        unconfirmed: bool = False,
        largest: int | None = None,
        door: Door | Callable[..., Door] | None = None,
    ) -> Callable[[View], View]:
        """Declare what a form posts to: a view that answers POST, by 303 or by its form with status 422.

        `unconfirmed`: an account whose address is not confirmed may do it.

        `largest`: bytes of its body, where it has a file; nginx has the same bound.

        `without_token`: its form reads no cookie, so it carries no token of ours.

        `door`: what a stranger may try there, which decides its limits; of all actions for visitors and of links.
        """
        if access is Access.PUBLIC:
            raise ValueError(f"{rule}: a public page has no form that posts")
        if (door is None) is (access in _OPEN):
            raise ValueError(f"{rule}: a door is declared where no login is needed, and only there")
        declare = self._declare(rule, access, "POST", without_token=without_token, unconfirmed=unconfirmed)

        def decorate(view: View) -> View:
            declared = declare(declare_door(door)(view) if door else view)
            vars(declared)["largest"] = largest
            return declared

        return decorate

    def _declare(self, rule: str, access: Access, method: str, **how: bool) -> Callable[[View], View]:
        def decorate(view: View) -> View:
            guarded = _guard(view, access, **how)
            self.add_url_rule(rule, view.__name__, guarded, methods=[method])
            return guarded

        return decorate


def _guard(
    view: View,
    access: Access,
    *,
    without_token: bool = False,
    polled: bool = False,
    unconfirmed: bool = False,
) -> View:
    is_personal = access not in _OPEN

    @wraps(view)
    def run(**arguments: object) -> Response:
        if access is Access.LINK:  # `g.access` stays unset: no cookie is read, and no form carries a token
            return forbid_keeping(_answer(view(**arguments)))
        g.access, g.is_polled = access, polled
        request.max_content_length = read_mark("largest", default=None) or request.max_content_length
        if access is Access.PUBLIC:
            return keep_for_everybody(_answer(view(**arguments)))
        is_form = request.method == "POST" and not without_token
        if is_form:
            _check_form(is_personal=is_personal)
        elif is_personal:
            require_login()
        if access in _OPERATORS:
            _require_operator(acts=access not in _SUPPORT)
        if is_form and is_personal and not unconfirmed and current_identity().verified_at is None:
            return forbid_keeping(make_response(_ask_to_confirm()))
        if access in _PROVEN:
            require_proof()
        return forbid_keeping(_answer(view(**arguments)))

    vars(run).update(access=access, is_personal=is_personal, polled=polled)
    return run


def _answer(made: ResponseReturnValue) -> Response:
    """Return the page; what binds says its language where that is not the page's."""
    response = make_response(made)
    is_page = response.mimetype == "text/html" and not response.content_encoding
    if is_page and read_language() not in FRENCH_AND_ENGLISH:
        response.set_data(mark_languages(response.get_data(as_text=True)))
    return response


def _ask_to_confirm() -> ResponseReturnValue:
    """Lead to where the mail is sent again: the account may be a stranger's until its address is confirmed."""
    text = _("Confirmez d’abord votre adresse e-mail : avant cela, rien ne change.")
    return lead_to("dashboard.show_dashboard", text, "problem")


def _require_operator(*, acts: bool) -> None:
    """Refuse the page unless its reader is an operator, who has shown a second factor in this login; `acts`: an admin.

    Raises:
        ApiError: 404, the reader is no operator; 403, support wants to act, or there is no second factor.
        ProofNeeded: this login is older than the second factor.
    """
    who = current_identity()
    if not who.role.is_operator:
        raise not_found("page")
    fix_language(FRENCH)  # these pages have no other
    if who.role is not Role.ADMIN and acts:
        raise ApiError(403, "admins-only", "support reads: ask an admin to do this")
    if who.totp_confirmed_at is None:
        raise ApiError(403, "second-factor-needed", "operators need a second factor: POST /api/auth/totp")
    if who.proven_at < who.totp_confirmed_at:
        raise ProofNeeded


def _check_form(*, is_personal: bool) -> None:
    if comes_from_elsewhere():
        count_stranger()
        raise ApiError(403, "foreign-form", "this form comes from another site")
    if is_personal:
        require_login()
    else:
        check_visitor_token()


def answer_live(parts: Mapping[str, str], *, stop: bool = False) -> Response:
    """Return the HTML of each `data-part`, rendered by the same partial as the page; 304 where the browser has it.

    `stop`: nothing changes any more, so the page need not ask again.

    Raises:
        RuntimeError: the page is not declared as polled, so it would keep an operator's login.
    """
    if not g.is_polled:
        raise RuntimeError(f"declare {request.endpoint} with polled=True")
    body = current_app.json.dumps({"parts": dict(parts), "stop": stop}).encode()
    response = Response(body, mimetype="application/json")
    response.set_etag(digest_body(body))
    return response.make_conditional(request)  # type: ignore[return-value] # it is the same object
