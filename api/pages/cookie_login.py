"""Sign-in by cookies, for pages only: the same logins as the API's, with tokens in cookies in place of a header.

An access cookie that is too old is renewed by the page itself from the refresh cookie.
"""

import hmac
from contextlib import suppress
from datetime import UTC, datetime
from uuid import UUID

from flask import Response, g, request
from flask_jwt_extended import (
    decode_token,
    get_jwt,
    set_access_cookies,
    set_refresh_cookies,
    unset_jwt_cookies,
    verify_jwt_in_request,
)
from flask_jwt_extended.exceptions import CSRFError, JWTExtendedException
from jwt import PyJWTError

from api.errors import ApiError
from api.logins.access import rotate_login
from api.logins.queries import list_login_ids
from api.logins.service import LoginChange
from api.middleware.auth import (
    current_identity,
    current_user,
    derive_form_token,
    derive_form_tokens,
    has_recent_proof,
    issue_tokens,
)
from api.middleware.languages import use_account_language
from api.models.base import autocommit_session
from api.models.user import User
from api.pages.form_tokens import FormRefused
from configs.ground.clock import clock
from configs.settings import settings

_COOKIES = ["cookies"]


class LoginNeeded(Exception):
    """Nobody is signed in, or the login ended."""


class ProofNeeded(Exception):
    """The password must be given once more before this page."""


def require_login() -> None:
    """Find who is signed in by the cookies; a form must carry the token of that login.

    Raises:
        LoginNeeded: nobody is signed in.
        api.pages.form_tokens.FormRefused: somebody is, and the form's token is not that login's.
    """
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
    g.page_user = current_identity()
    use_account_language(current_identity().language)


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
    g.login_form_token = derive_form_token(change.login.id)
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
    """Set or delete the cookies as this request asked for."""
    if tokens := g.get("new_tokens"):
        set_access_cookies(response, tokens.access, max_age=int(settings().access_token_seconds))
        set_refresh_cookies(response, tokens.refresh, max_age=g.login_lasts)
    elif g.get("login_is_over"):
        unset_jwt_cookies(response)
    return response


def _read_form_token() -> str | None:
    """Return the token that the forms of the browser's login carry, also where its access cookie is too old."""
    for name in ("__Host-access", "__Host-refresh"):
        with suppress(JWTExtendedException, PyJWTError):
            return str(decode_token(request.cookies.get(name, ""), allow_expired=True)["csrf"])
    return None


def _renew_login() -> None:
    """Rotate the refresh cookie's token: two tabs that do it at once get the same new one."""
    verify_jwt_in_request(refresh=True, locations=_COOKIES)
    claims = get_jwt()
    change = rotate_login(str(claims["jti"]), datetime.fromtimestamp(claims["iat"], UTC))
    keep_login(current_user(), change)
