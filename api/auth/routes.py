"""Routes of /api/auth about the account itself: registration, its address, its password."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from api.accounts.queries import read_account
from api.accounts.schemas import Account, Registered
from api.auth import service
from api.auth.schemas import (
    Confirmed,
    EmailBody,
    MailSent,
    PasswordBody,
    Registration,
    ResetBody,
    TokenBody,
)
from api.ground.errors import ApiError, not_found
from api.logins.access import hash_chosen_password
from api.logins.schemas import SignedIn
from api.models.base import read_once, session
from api.web.auth import (
    current_login_id,
    current_user,
    current_user_id,
    find_user,
    issue_tokens,
    require_recent_proof,
)
from api.web.known_places import remember_place
from api.web.openapi import BEARER, BODY, declare_errors, make_blueprint
from api.web.rate_limits import may_take_kept_turn
from api.web.stranger_mail import count_mail, count_mail_from_network, may_mail_to
from configs.ground.signing import LinkRefused

blueprint = make_blueprint(
    "auth", __name__, "/api/auth", "auth", "The account: registration, address, password"
)


@blueprint.post("/register", responses={202: Registered, **declare_errors(*BODY)})
def register(body: Registration) -> tuple[dict[str, Any], int]:
    """Open an account; a mail asks to confirm the address. The answer never tells whether it was known."""
    count_mail(body.email)
    service.register(body, body.alert)
    return Registered().as_json(), 202


@blueprint.post(
    "/verify-email",
    security=[{}, *BEARER],
    responses={200: Confirmed, **declare_errors(*BODY, 401, 403, 404, 409, 410)},
)
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
def verify_email_again() -> tuple[dict[str, Any], int]:
    """Send the mail that confirms the address once more, also to one that bounced: three a day at most."""
    count_mail(current_user().email)
    with session() as s:
        service.ask_confirmation(s, current_user_id())
    return MailSent().as_json(), 202


@blueprint.post("/forgot-password", responses={202: MailSent, **declare_errors(*BODY)})
def forgot_password(body: EmailBody) -> tuple[dict[str, Any], int]:
    """Send a link to choose a new password. The answer never tells whether the address has an account."""
    count_mail_from_network()
    service.send_reset_mail(body.email, may_mail_to)
    return MailSent().as_json(), 202


@blueprint.post("/reset-password", responses={204: None, **declare_errors(*BODY, 404, 410)})
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
    with session() as s:
        user, change = service.change_password(s, current_user_id(), current_login_id(), hashed)
    tokens = issue_tokens(user, change.login, str(change.token_id))
    return SignedIn(token=tokens.access, refresh_token=tokens.refresh, expires_at=tokens.expires_at).as_json()


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
