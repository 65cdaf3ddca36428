"""Routes of /api/auth that open, refresh, list and end logins."""

from typing import Any
from uuid import UUID

from flask import request
from flask_openapi3.blueprint import APIBlueprint
from flask_openapi3.models.tag import Tag
from pydantic import BaseModel

import notifier
from api.accounts.passwords import verify_password
from api.accounts.queries import find_user
from api.errors import ApiError
from api.logins import service
from api.logins.browsers import name_browser
from api.logins.challenge import read_challenge, sign_challenge
from api.logins.queries import read_logins
from api.logins.schemas import (
    LoginAnswer,
    LoginBody,
    LoginList,
    ProofBody,
    Proven,
    RecoveryCodes,
    SignedIn,
    TotpConfirmation,
    TotpLoginBody,
    TotpRequired,
    TotpSetup,
)
from api.logins.second_factor import begin_setup, confirm_setup, remove_second_factor, take_code
from api.logins.service import LoginChange
from api.middleware.auth import (
    current_login_id,
    current_user,
    current_user_id,
    issue_tokens,
    require_recent_proof,
    require_refresh_token,
)
from api.middleware.openapi_helpers import BEARER, BODY, REFRESH, declare_errors, make_operation_id
from api.middleware.rate_limits import (
    count_wrong_code,
    is_known_address,
    limit_codes,
    limit_guesses,
    remember_address,
)
from api.models.base import session
from api.models.login import EndedBecause
from api.models.user import User

blueprint = APIBlueprint(
    "logins",
    __name__,
    url_prefix="/api/auth",
    operation_id_callback=make_operation_id,
    abp_tags=[Tag(name="logins", description="Sign-in, its tokens, and the user's logins")],
)


class LoginPath(BaseModel):
    """Which login."""

    id: UUID


@blueprint.post("/login", responses={200: LoginAnswer, **declare_errors(*BODY, 401)})
def login(body: LoginBody) -> dict[str, Any]:
    """Sign in, also before the address is confirmed."""
    with session() as s:
        user = find_user(s, body.email)
    fits = verify_password(body.password.get_secret_value(), user.password_hash if user else None)
    if user is None or not fits:
        raise ApiError(401, "wrong-login", "no account has this address and password")
    if user.has_second_factor:
        return TotpRequired(challenge=sign_challenge(user)).as_json()
    return _open_login(user)


@blueprint.post("/login/totp", responses={200: SignedIn, **declare_errors(*BODY, 401)})
def login_with_code(body: TotpLoginBody) -> dict[str, Any]:
    """Finish the login of an account with a second factor: five tries, within five minutes of the password."""
    user = _find_challenged(body.challenge)
    with session() as s:
        fits = take_code(s, user.id, body.code)
    if not fits:
        count_wrong_code(user)
        raise ApiError(401, "wrong-code", "this code is wrong, or was used before: try the next one")
    return _open_login(user)


@blueprint.post("/refresh", security=REFRESH, responses={200: SignedIn, **declare_errors(401)})
def refresh() -> dict[str, Any]:
    """Give new tokens for the refresh token in the Authorization header. Each is good once: keep the new one."""
    token_id, issued_at = require_refresh_token()
    with session() as s:
        change = service.rotate_login(s, current_login_id(), token_id, issued_at)
    if change is None:
        raise ApiError(401, "token-revoked", "this login ended: log in again")
    notifier.nudge(change.mails)
    if change.token_id is None:
        raise ApiError(401, "token-reused", "this token was used before, so the login ended: log in again")
    return _build_answer(current_user(), change)


@blueprint.post("/logout", security=BEARER, responses={204: None, **declare_errors(401)})
def logout() -> tuple[str, int]:
    """End this login."""
    with session() as s:
        service.end_login(s, current_login_id(), EndedBecause.LOGGED_OUT)
    return "", 204


@blueprint.post("/logout-all", security=BEARER, responses={204: None, **declare_errors(401)})
def logout_all() -> tuple[str, int]:
    """End all logins of the user, this one too."""
    with session() as s:
        service.end_all_logins(s, current_user_id(), EndedBecause.ENDED_BY_USER)
    return "", 204


@blueprint.get("/logins", security=BEARER, responses={200: LoginList, **declare_errors(401)})
def list_logins() -> dict[str, Any]:
    """List the user's logins, the latest first."""
    with session() as s:
        return read_logins(s, current_user_id(), current_login_id()).as_json()


@blueprint.delete("/logins/<uuid:id>", security=BEARER, responses={204: None, **declare_errors(401, 404)})
def delete_login(path: LoginPath) -> tuple[str, int]:
    """End one of the user's logins."""
    with session() as s:
        service.end_one_login(s, current_user_id(), path.id)
    return "", 204


@blueprint.post("/prove", security=BEARER, responses={200: Proven, **declare_errors(*BODY, 401, 403)})
def prove(body: ProofBody) -> dict[str, Any]:
    """Give the password once more, before a change that needs a recent proof."""
    user = current_user()
    with limit_guesses(user.id):
        if not verify_password(body.password.get_secret_value(), user.password_hash):
            raise ApiError(403, "wrong-proof", "this is not the account's password")
        if user.has_second_factor:
            _require_code(user.id, body.code)
    with session() as s:
        until = service.note_proof(s, current_login_id())
    return Proven(proven_until=until).as_json()


@blueprint.post("/totp", security=BEARER, responses={200: TotpSetup, **declare_errors(401, 403, 409)})
def begin_totp() -> dict[str, Any]:
    """Begin to set up a second factor, after a recent proof. Nothing is stored until a code confirms it."""
    require_recent_proof()
    return TotpSetup.model_validate(begin_setup(current_user())).as_json()


@blueprint.post(
    "/totp/confirm", security=BEARER, responses={200: RecoveryCodes, **declare_errors(*BODY, 401, 403, 409)}
)
def confirm_totp(body: TotpConfirmation) -> dict[str, Any]:
    """Put the second factor in force by a code of the app; the answer has the recovery codes."""
    require_recent_proof()
    with session() as s:
        codes = confirm_setup(s, current_user_id(), body.setup, body.code)
    return RecoveryCodes(recovery_codes=codes).as_json()


@blueprint.delete("/totp", security=BEARER, responses={204: None, **declare_errors(401, 403)})
def delete_totp() -> tuple[str, int]:
    """Remove the second factor, after a recent proof."""
    require_recent_proof()
    with session() as s:
        remove_second_factor(s, s.get_one(User, current_user_id(), with_for_update={"key_share": True}))
    return "", 204


def _find_challenged(text: str) -> User:
    """Return the user of a challenge, and count the try.

    Raises:
        api.errors.ApiError: 401, the challenge is over; 429, that was one try too many.
    """
    challenge = read_challenge(text)
    with session() as s:
        user = s.get(User, challenge.user_id) if challenge else None
    if challenge is None or user is None or user.token_version != challenge.token_version:
        raise ApiError(401, "challenge-over", "this challenge is too old: log in again")
    limit_codes(challenge.id, user)
    return user


def _require_code(user_id: UUID, code: str | None) -> None:
    """Refuse a proof without a code of the second factor.

    Raises:
        api.errors.ApiError: 403.
    """
    if code is None:
        raise ApiError(403, "code-needed", "the account has a second factor: send its `code` too")
    with session() as s:
        fits = take_code(s, user_id, code)
    if not fits:
        raise ApiError(403, "wrong-proof", "this code is wrong, or was used before: try the next one")


def _open_login(user: User) -> dict[str, Any]:
    """Open a login for a user who has just proven to be that; return its tokens as JSON."""
    is_known = is_known_address(user.email)
    with session() as s:
        change = service.open_login(
            s, user, name_browser(request.user_agent.string), from_known_address=is_known
        )
    notifier.nudge(change.mails)
    remember_address(user.email)
    return _build_answer(user, change)


def _build_answer(user: User, change: LoginChange) -> dict[str, Any]:
    tokens = issue_tokens(user, change.login, str(change.token_id))
    return SignedIn(token=tokens.access, refresh_token=tokens.refresh, expires_at=tokens.expires_at).as_json()
