"""Cookies of pages: of the login, and Flask's session, which holds a visitor's form token and a notice.

A login is the same as the API's, with its tokens in cookies in place of a header; an access cookie that is too old is
renewed by the page itself from the refresh cookie. A form's token is the `csrf` claim of its login, or the one
in the visitor's session.
"""

import hmac
import secrets
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, Literal
from uuid import UUID

from flask import Flask, Request, Response, g, redirect, request, session, url_for
from flask.sessions import SecureCookieSession, SecureCookieSessionInterface, SessionMixin
from flask.typing import ResponseReturnValue
from flask_jwt_extended import (
    decode_token,
    get_jwt,
    set_access_cookies,
    set_refresh_cookies,
    unset_jwt_cookies,
    verify_jwt_in_request,
)
from flask_jwt_extended.exceptions import CSRFError, JWTExtendedException
from itsdangerous import URLSafeTimedSerializer
from jwt import PyJWTError
from markupsafe import Markup
from werkzeug.exceptions import RequestEntityTooLarge

from api.auth.access import rotate_login
from api.auth.logins import LoginChange, list_login_ids
from api.ground.errors import ApiError
from api.models.base import autocommit_session
from api.models.user import User
from api.web.auth import (
    Identity,
    current_identity,
    current_user,
    derive_form_tokens,
    has_recent_proof,
    issue_tokens,
)
from api.web.languages import use_account_language
from api.web.rate_limits import count_stranger
from configs.ground.clock import clock
from configs.ground.signing import ACCESS_COOKIE, LinkRefused, get_serializer, unsign
from configs.settings import settings

_NOTICE = "notice"  # in the session: a sentence for the next page
_VISITOR = "visitor"  # in the session: the token of a visitor's forms
_NOTICE_SECONDS = 60
_LONGEST_NOTICE = 500  # characters
Kind = Literal["done", "problem"]
FORM_FIELD = "csrf_token"
_COOKIES = ["cookies"]
_SCOPE = "page-session"
_SECONDS = 12 * 3600


class Sessions(SecureCookieSessionInterface):
    """Flask's session, signed as all that we sign: it outlives a step of the clock, and a change of the key."""

    def open_session(self, app: Flask, request: Request) -> SecureCookieSession:
        """Return what a browser's cookie holds; nothing of one that is too old or not ours."""
        kept: dict[str, Any] | None = None
        if text := request.cookies.get(self.get_cookie_name(app)):
            with suppress(LinkRefused):
                kept = unsign(_SCOPE, text, _SECONDS)
        return self.session_class(kept)

    def get_signing_serializer(self, app: Flask) -> URLSafeTimedSerializer:  # noqa: ARG002 -- as its base says
        """Return what signs the cookie."""
        return get_serializer(_SCOPE)

    def save_session(self, app: Flask, session: SessionMixin, response: Response) -> None:
        """Send the cookie where it changed; no public page has one, whatever is written there."""
        if g.get("access", "public") != "public":
            super().save_session(app, session, response)


def add_notice(kind: Kind, text: str) -> None:
    """Show a sentence on the next page: `done`, or a `problem`. A later one replaces it."""
    session[_NOTICE] = [kind, str(text)[:_LONGEST_NOTICE], clock().timestamp()]


def lead_to(endpoint: str, text: str = "", kind: Kind = "done", **values: Any) -> ResponseReturnValue:
    """Lead to a page by 303; it shows the sentence, if there is one."""
    if text:
        add_notice(kind, text)
    return redirect(url_for(endpoint, **values), 303)


def take_notice() -> tuple[str, str] | None:
    """Return the kind and the text that the page before left a moment ago; it is shown once."""
    if "notice" not in g:  # each part of a page asks
        kind, text, left_at = session.pop(_NOTICE, ("", "", 0.0))
        g.notice = (kind, text) if clock().timestamp() - left_at <= _NOTICE_SECONDS else None
    shown: tuple[str, str] | None = g.notice
    return shown


class FormRefused(Exception):
    """A form has no good token: its session ended, or it comes from another site."""


def write_token_field() -> Markup:
    """Return the hidden field with the token of this page's forms."""
    return Markup('<input type="hidden" name="{}" value="{}">').format(FORM_FIELD, create_token())


def create_token() -> str:
    if token := g.get("login_form_token"):  # of a login that this request opened
        return str(token)
    if g.get("page_user"):
        return str(get_jwt()["csrf"])
    return str(session.setdefault(_VISITOR, secrets.token_urlsafe(24)))


def check_visitor_token() -> None:
    """Refuse a form without the token of this visitor.

    Raises:
        FormRefused: the form was open for too long, or the browser takes no cookies.
    """
    kept, given = session.get(_VISITOR), request.form.get(FORM_FIELD, "").encode()
    if not kept or not hmac.compare_digest(kept.encode(), given):
        raise FormRefused


def comes_from_elsewhere() -> bool:
    """Return whether the browser says that another site sent this form.

    https://www.w3.org/TR/fetch-metadata/#sec-fetch-site-header; browsers without it send the origin, which is `null`
    from a page that hides where it is.
    """
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None:
        return site not in ("same-origin", "none")
    origin = request.headers.get("Origin")
    return origin is not None and origin != request.host_url.rstrip("/")


class LoginNeeded(Exception):
    """Nobody is signed in, or the login ended."""


class ProofNeeded(Exception):
    """The password must be given once more before this page."""


def require_login() -> None:
    """Find who is signed in by the cookies; a form must carry the token of that login.

    Raises:
        LoginNeeded: nobody is signed in.
        FormRefused: somebody is, and the form's token is not that login's.
        ApiError: 429, this login, or logins of this network address that are refused, ask too often.
    """
    try:
        _read_login()
    except (LoginNeeded, FormRefused, RequestEntityTooLarge):
        count_stranger()
        raise
    g.page_user = current_identity()
    use_account_language(current_identity().language)


def _read_login() -> None:
    try:
        try:
            verify_jwt_in_request(locations=_COOKIES)
        except CSRFError:
            raise
        except (JWTExtendedException, PyJWTError):
            _renew_login()
    except CSRFError:
        g.login_form_token = _read_form_token()
        raise FormRefused from None
    except (JWTExtendedException, PyJWTError):
        raise LoginNeeded from None
    except ApiError as error:
        if error.status != 401:  # noqa: PLR2004 -- 429 or 503
            raise
        g.login_is_over = True
        raise LoginNeeded from None


def find_login() -> Identity | None:
    """Return who is signed in on a page that visitors see, too; None without a login that lives. For GET only."""
    try:
        _read_login()
    except LoginNeeded:
        return None
    return current_identity()


def has_login_of_another(user_id: UUID) -> bool:
    """Return whether the browser is signed in to another account than this one, which nothing unasked may replace."""
    for name in (ACCESS_COOKIE, "__Host-refresh"):
        with suppress(JWTExtendedException, PyJWTError):
            return bool(decode_token(request.cookies.get(name, ""))["sub"] != str(user_id))
    return False


def require_proof() -> None:
    """Refuse the page unless the password was given a moment ago; call require_login first.

    Raises:
        ProofNeeded: it was not.
    """
    if not has_recent_proof():
        raise ProofNeeded


def keep_login(user: User, change: LoginChange) -> None:
    """Give the browser the cookies of a login that was opened or renewed."""
    g.new_tokens = issue_tokens(user, change.login, str(change.token_id))
    g.login_lasts = int((change.login.expires_at - clock()).total_seconds())
    g.login_form_token = derive_form_tokens(change.login.id)[0]
    use_account_language(user.language)


def drop_login() -> None:
    """Take the cookies of the login from the browser, also those that this request renewed."""
    g.pop("new_tokens", None)
    g.login_is_over = True


def owns_form_token(user_id: UUID, token: str) -> bool:
    """Return whether a form's token is that of a login of this user, which may have ended."""
    with autocommit_session() as s:
        logins = list_login_ids(s, user_id)
    given = token.encode()  # of texts compare_digest takes ASCII only
    known = (each.encode() for login in logins for each in derive_form_tokens(login))
    return any(hmac.compare_digest(each, given) for each in known)


def send_login(response: Response) -> Response:
    """Set or delete the cookies as this request asked for; no public page has any."""
    if g.get("access", "public") == "public":
        return response
    if tokens := g.get("new_tokens"):
        set_access_cookies(response, tokens.access, max_age=int(settings().access_token_seconds))
        set_refresh_cookies(response, tokens.refresh, max_age=g.login_lasts)
    elif g.get("login_is_over"):
        unset_jwt_cookies(response)
    return response


def _read_form_token() -> str | None:
    """Return the token that the forms of the browser's login carry, also where its access cookie is too old."""
    for name in (ACCESS_COOKIE, "__Host-refresh"):
        with suppress(JWTExtendedException, PyJWTError):
            return str(decode_token(request.cookies.get(name, ""), allow_expired=True)["csrf"])
    return None


def _renew_login() -> None:
    """Rotate the refresh cookie's token: two tabs that do it at once get the same new one."""
    verify_jwt_in_request(refresh=True, locations=_COOKIES)
    claims = get_jwt()
    change = rotate_login(str(claims["jti"]), datetime.fromtimestamp(claims["iat"], UTC))
    keep_login(current_user(), change)
