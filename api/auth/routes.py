"""Routes of /api/auth: registration, an account's address and password, its logins and their second factor."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from flask import request

from api.accounts.queries import read_account
from api.accounts.schemas import Account, Registered
from api.auth import logins, service
from api.auth.access import (
    check_code,
    check_password,
    hash_chosen_password,
    open_login,
    prove_identity,
    rotate_login,
    sign_challenge,
)
from api.auth.schemas import (
    Confirmed,
    EmailBody,
    LoginAnswer,
    LoginBody,
    LoginList,
    MailSent,
    PasswordBody,
    ProofBody,
    Proven,
    RecoveryCodes,
    Registration,
    ResetBody,
    SignedIn,
    TokenBody,
    TotpConfirmation,
    TotpLoginBody,
    TotpRequired,
    TotpSetup,
)
from api.auth.second_factor import begin_setup, confirm_setup, remove_second_factor, renew_recovery_codes
from api.ground.errors import ApiError, not_found
from api.ground.schemas import IdPath
from api.models.base import read_once, session, write_once
from api.models.login import EndedBecause
from api.models.user import User
from api.web.auth import (
    allow_unconfirmed,
    current_login_id,
    current_user,
    current_user_id,
    find_user,
    issue_tokens,
    require_recent_proof,
    require_refresh_token,
)
from api.web.doors import Door, declare_door
from api.web.known_places import remember_place
from api.web.openapi import BEARER, BODY, REFRESH, declare_errors, make_blueprint
from api.web.rate_limits import may_take_kept_turn
from api.web.stranger_mail import count_mail, count_mail_from_network, may_mail_to
from configs.ground.signing import LinkRefused

blueprint = make_blueprint(
    "auth", __name__, "/api/auth", "auth", "The account: registration, address, password"
)


@blueprint.post("/register", responses={202: Registered, **declare_errors(*BODY)})
@declare_door(Door.REGISTRATION)
def register(body: Registration) -> tuple[dict[str, Any], int]:
    """Open an account; a mail asks to confirm the address. The answer never tells whether it was known."""
    count_mail(body.email)
    service.register(body, body.alert, address=request.remote_addr)
    return Registered().as_json(), 202


@blueprint.post(
    "/verify-email",
    security=[{}, *BEARER],
    responses={200: Confirmed, **declare_errors(*BODY, 401, 403, 404, 409, 410)},
)
@declare_door(Door.CONFIRMATION)
def verify_email(body: TokenBody) -> dict[str, Any]:
    """Confirm the address that the mail with this token went to, and catch up on slots that are open now.

    A new address of an account needs a login of that account.
    """
    user = find_user()
    with _refused_links(), session() as s:
        change = service.confirm_address(s, body.token, user.id if user else None)
    if change.contact is None:
        raise not_found("address")
    return Confirmed(email=change.contact.address, reset_token=change.reset_token).as_json()


@blueprint.post("/verify-email/again", security=BEARER, responses={202: MailSent, **declare_errors(401)})
@allow_unconfirmed
def verify_email_again() -> tuple[dict[str, Any], int]:
    """Send the mail that confirms the address once more, also to one that bounced: three a day at most."""
    count_mail(current_user().email)
    write_once(service.send_confirmation, current_user_id())
    return MailSent().as_json(), 202


@blueprint.post("/forgot-password", responses={202: MailSent, **declare_errors(*BODY)})
@declare_door(Door.RESET_MAIL)
def forgot_password(body: EmailBody) -> tuple[dict[str, Any], int]:
    """Send a link to choose a new password. The answer never tells whether the address has an account."""
    count_mail_from_network()
    service.send_reset_mail(body.email, may_mail_to)
    return MailSent().as_json(), 202


@blueprint.post("/reset-password", responses={204: None, **declare_errors(*BODY, 404, 410)})
@declare_door(Door.CHOICE)
def reset_password(body: ResetBody) -> tuple[str, int]:
    """Choose a new password by the token of a link. All logins end; the address counts as confirmed."""
    with _refused_links():
        change = service.reset_by_token(body.token, body.password.get_secret_value(), may_take_kept_turn)
    if change.contact is None:
        raise not_found("link: it was used, or the address or the password changed; ask for another one")
    remember_place(change.contact.address)  # a wave of guesses must not keep the owner out
    return "", 204


@blueprint.post(
    "/change-password", security=BEARER, responses={200: SignedIn, **declare_errors(*BODY, 401, 403)}
)
def change_password(body: PasswordBody) -> dict[str, Any]:
    """Set another password, after a recent proof. All other logins end; this one gets new tokens."""
    require_recent_proof()
    hashed = hash_chosen_password(body.password.get_secret_value())
    user, change = write_once(service.change_password, current_user_id(), current_login_id(), hashed)
    return _build_answer(user, change)


@blueprint.get("/me", security=BEARER, responses={200: Account, **declare_errors(401)})
def me() -> dict[str, Any]:
    """Show the account that is signed in."""
    return read_once(read_account, current_user_id()).as_json()


@contextmanager
def _refused_links() -> Iterator[None]:
    """Answer a token that is not good as a problem: elsewhere it is a page."""
    try:
        yield
    except LinkRefused as error:
        if error.reason == "expired":
            raise ApiError(410, "link-expired", "this token is too old: ask for another mail") from None
        raise ApiError(400, "link-forged", "this is no token of ours: copy it whole from the mail") from None


logins_blueprint = make_blueprint(
    "logins", __name__, "/api/auth", "logins", "Sign-in, its tokens, and the user's logins"
)


@logins_blueprint.post("/login", responses={200: LoginAnswer, **declare_errors(*BODY, 401)})
@declare_door(Door.SIGN_IN)
def login(body: LoginBody) -> dict[str, Any]:
    """Sign in, also before the address is confirmed."""
    user = check_password(body)
    if user.has_second_factor:
        return TotpRequired(challenge=sign_challenge(user)).as_json()
    return _build_answer(user, open_login(user))


@logins_blueprint.post("/login/totp", responses={200: SignedIn, **declare_errors(*BODY, 401)})
@declare_door(Door.CODE)
def login_with_code(body: TotpLoginBody) -> dict[str, Any]:
    """Finish the login of an account with a second factor: five tries, within five minutes of the password."""
    user, is_proof = check_code(body)
    return _build_answer(user, open_login(user, is_proof=is_proof))


@logins_blueprint.post("/refresh", security=REFRESH, responses={200: SignedIn, **declare_errors(401)})
@declare_door(Door.SIGNED)
def refresh() -> dict[str, Any]:
    """Give new tokens for the refresh token in the Authorization header. Each is good once: keep the new one."""
    change = rotate_login(*require_refresh_token())
    return _build_answer(current_user(), change)


@logins_blueprint.post("/logout", security=BEARER, responses={204: None, **declare_errors(401)})
@allow_unconfirmed
def logout() -> tuple[str, int]:
    """End this login."""
    write_once(logins.end_login, current_login_id(), EndedBecause.LOGGED_OUT)
    return "", 204


@logins_blueprint.post("/logout-all", security=BEARER, responses={204: None, **declare_errors(401)})
@allow_unconfirmed
def logout_all() -> tuple[str, int]:
    """End all logins of the user, this one too."""
    write_once(logins.end_all_logins, current_user_id(), EndedBecause.ENDED_BY_USER)
    return "", 204


@logins_blueprint.get("/logins", security=BEARER, responses={200: LoginList, **declare_errors(401)})
def list_logins() -> dict[str, Any]:
    """List the user's logins, the latest first."""
    return read_once(logins.read_logins, current_user_id(), current_login_id()).as_json()


@logins_blueprint.delete(
    "/logins/<uuid:id>", security=BEARER, responses={204: None, **declare_errors(401, 404)}
)
def delete_login(path: IdPath) -> tuple[str, int]:
    """End one of the user's logins."""
    write_once(logins.end_one_login, current_user_id(), path.id)
    return "", 204


@logins_blueprint.post("/prove", security=BEARER, responses={200: Proven, **declare_errors(*BODY, 401, 403)})
def prove(body: ProofBody) -> dict[str, Any]:
    """Give the password once more, before a change that needs a recent proof."""
    return Proven(proven_until=prove_identity(body)).as_json()


@logins_blueprint.post("/totp", security=BEARER, responses={200: TotpSetup, **declare_errors(401, 403, 409)})
def begin_totp() -> dict[str, Any]:
    """Begin to set up a second factor, after a recent proof. Nothing is stored until a code confirms it."""
    require_recent_proof()
    return begin_setup(current_user()).as_json()


@logins_blueprint.post(
    "/totp/confirm", security=BEARER, responses={200: RecoveryCodes, **declare_errors(*BODY, 401, 403, 409)}
)
def confirm_totp(body: TotpConfirmation) -> dict[str, Any]:
    """Put the second factor in force by a code of the app; the answer has the recovery codes."""
    require_recent_proof()
    codes = write_once(confirm_setup, current_user_id(), body.setup, body.code)
    return RecoveryCodes(recovery_codes=codes).as_json()


@logins_blueprint.post(
    "/totp/recovery-codes", security=BEARER, responses={200: RecoveryCodes, **declare_errors(401, 403, 409)}
)
def replace_recovery_codes() -> dict[str, Any]:
    """Give ten new recovery codes, after a recent proof; the old ones are good no more."""
    require_recent_proof()
    codes = write_once(renew_recovery_codes, current_user_id())
    return RecoveryCodes(recovery_codes=codes).as_json()


@logins_blueprint.delete("/totp", security=BEARER, responses={204: None, **declare_errors(401, 403)})
def delete_totp() -> tuple[str, int]:
    """Remove the second factor, after a recent proof."""
    require_recent_proof()
    with session() as s:
        remove_second_factor(s.get_one(User, current_user_id(), with_for_update={"key_share": True}))
    return "", 204


def _build_answer(user: User, change: logins.LoginChange) -> dict[str, Any]:
    tokens = issue_tokens(user, change.login, str(change.token_id))
    return SignedIn(token=tokens.access, refresh_token=tokens.refresh, expires_at=tokens.expires_at).as_json()
