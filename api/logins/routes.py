"""Routes of /api/auth that open, refresh, list and end logins."""

from typing import Any

from api.ground.schemas import IdPath
from api.logins import service
from api.logins.access import check_code, check_password, open_login, prove_identity, rotate_login
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
from api.logins.second_factor import (
    begin_setup,
    confirm_setup,
    remove_second_factor,
    renew_recovery_codes,
    sign_challenge,
)
from api.logins.service import LoginChange, read_logins
from api.models.base import session
from api.models.login import EndedBecause
from api.models.user import User
from api.web.auth import (
    current_login_id,
    current_user,
    current_user_id,
    issue_tokens,
    require_recent_proof,
    require_refresh_token,
)
from api.web.openapi import BEARER, BODY, REFRESH, declare_errors, make_blueprint

blueprint = make_blueprint(
    "logins", __name__, "/api/auth", "logins", "Sign-in, its tokens, and the user's logins"
)


@blueprint.post("/login", responses={200: LoginAnswer, **declare_errors(*BODY, 401)})
def login(body: LoginBody) -> dict[str, Any]:
    """Sign in, also before the address is confirmed."""
    user = check_password(body)
    if user.has_second_factor:
        return TotpRequired(challenge=sign_challenge(user)).as_json()
    return _build_answer(user, open_login(user))


@blueprint.post("/login/totp", responses={200: SignedIn, **declare_errors(*BODY, 401)})
def login_with_code(body: TotpLoginBody) -> dict[str, Any]:
    """Finish the login of an account with a second factor: five tries, within five minutes of the password."""
    user = check_code(body)
    return _build_answer(user, open_login(user))


@blueprint.post("/refresh", security=REFRESH, responses={200: SignedIn, **declare_errors(401)})
def refresh() -> dict[str, Any]:
    """Give new tokens for the refresh token in the Authorization header. Each is good once: keep the new one."""
    change = rotate_login(*require_refresh_token())
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
def delete_login(path: IdPath) -> tuple[str, int]:
    """End one of the user's logins."""
    with session() as s:
        service.end_one_login(s, current_user_id(), path.id)
    return "", 204


@blueprint.post("/prove", security=BEARER, responses={200: Proven, **declare_errors(*BODY, 401, 403)})
def prove(body: ProofBody) -> dict[str, Any]:
    """Give the password once more, before a change that needs a recent proof."""
    return Proven(proven_until=prove_identity(body)).as_json()


@blueprint.post("/totp", security=BEARER, responses={200: TotpSetup, **declare_errors(401, 403, 409)})
def begin_totp() -> dict[str, Any]:
    """Begin to set up a second factor, after a recent proof. Nothing is stored until a code confirms it."""
    require_recent_proof()
    return begin_setup(current_user()).as_json()


@blueprint.post(
    "/totp/confirm", security=BEARER, responses={200: RecoveryCodes, **declare_errors(*BODY, 401, 403, 409)}
)
def confirm_totp(body: TotpConfirmation) -> dict[str, Any]:
    """Put the second factor in force by a code of the app; the answer has the recovery codes."""
    require_recent_proof()
    with session() as s:
        codes = confirm_setup(s, current_user_id(), body.setup, body.code)
    return RecoveryCodes(recovery_codes=codes).as_json()


@blueprint.post(
    "/totp/recovery-codes", security=BEARER, responses={200: RecoveryCodes, **declare_errors(401, 403, 409)}
)
def replace_recovery_codes() -> dict[str, Any]:
    """Give ten new recovery codes, after a recent proof; the old ones are good no more."""
    require_recent_proof()
    with session() as s:
        codes = renew_recovery_codes(s, current_user_id())
    return RecoveryCodes(recovery_codes=codes).as_json()


@blueprint.delete("/totp", security=BEARER, responses={204: None, **declare_errors(401, 403)})
def delete_totp() -> tuple[str, int]:
    """Remove the second factor, after a recent proof."""
    require_recent_proof()
    with session() as s:
        remove_second_factor(s.get_one(User, current_user_id(), with_for_update={"key_share": True}))
    return "", 204


def _build_answer(user: User, change: LoginChange) -> dict[str, Any]:
    tokens = issue_tokens(user, change.login, str(change.token_id))
    return SignedIn(token=tokens.access, refresh_token=tokens.refresh, expires_at=tokens.expires_at).as_json()
