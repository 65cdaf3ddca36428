"""Changes to an account's address and password: confirmation, reset, change.

The account belongs to the mailbox. Whoever registers a stranger's address can sign in and change nothing; the account
is built anew when the mailbox confirms it.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.accounts.consents import give_consent
from api.accounts.passwords import LONGEST, SHORTEST, hash_new_password
from api.accounts.queries import find_mailbox, find_pending_hash, lock_mailbox
from api.accounts.schemas import RegistrationForm
from api.accounts.service import (
    BETWEEN,
    CODE_PURPOSE,
    TRIES,
    apply_new_email,
    count_mails,
    is_code,
    refuse_wrong_code,
    register_account,
    write_confirmation,
    write_mail,
)
from api.alerts.schemas import NewAlert
from api.alerts.service import wake_alerts
from api.alerts.wishes import check_wish
from api.auth.logins import LoginChange, end_all_logins, renew_login
from api.auth.mailbox_claims import (
    add_wished_alert,
    find_contact,
    find_unconfirmed,
    lock_registration,
    rebuild_account,
    sign_reset,
    withdraw_registration,
)
from api.ground.errors import ApiError, invalid
from api.ground.messages import write_message
from api.ground.schemas import FieldError
from api.models.base import read_once, write_once
from api.models.base import session as open_session
from api.models.login import CONFIRMATION_CODE_SECONDS, EndedBecause, Identity, PendingRegistration
from api.models.user import Contact, ContactState, User
from configs.ground.addresses import fold_address
from configs.ground.clock import clock
from configs.ground.signing import PASSWORD_RESET_SECONDS, ResetPassword, VerifyAddress
from configs.settings import Constant

# How long POST /api/auth/forgot-password takes at least, so that its time does not tell whether the address is known
_even_answer_seconds = Constant("EVEN_ANSWER_SECONDS", 0.15)

_SOON = 3  # mails a day that may follow each other within minutes


@dataclass(frozen=True, slots=True)
class AccountChange:
    """The mailbox whose account was changed."""

    contact: Contact | None  # None: no account has the token's address any more
    reset_token: str | None = None  # where the owner must choose a password
    user: User | None = None  # whose account was built now, by its first confirmation


def confirm_address(
    session: Session, token: str, user_id: UUID | None = None, *, drops_password: bool = False
) -> AccountChange:
    """Confirm the address of a token, also one that bounced; an account is built from its registration.

    A new address becomes the account's where its own login asks, the user `user_id`: the reader of the mail may know
    neither the account nor who asked for the move. `drops_password`: the mail's reader may not know the password of the
    registration, and chooses one.

    Raises:
        ApiError: 403 other-account, 409 address-taken.
        configs.ground.signing.LinkRefused: the token is expired or forged.
    """
    contact, claims = find_contact(session, VerifyAddress, token, lock=True)
    if contact is None or find_unconfirmed(contact, claims) is None:
        return AccountChange(contact)
    if claims.new is not None:
        if contact.user_id != user_id:
            detail = "this token moves an account to a new address: send it from a login of that account"
            raise ApiError(403, "other-account", detail)
        apply_new_email(session, contact)
        wake_alerts(session, contact.user_id, "address confirmed")
        return AccountChange(contact)
    user = session.get_one(User, contact.user_id)
    if contact.verified_at is None:
        return _take_registration(session, user, contact, claims.registration, drops_password=drops_password)
    if contact.enabled:
        give_consent(contact, "email_confirmation")
    contact.verified_at, contact.state = clock(), ContactState.OK
    wake_alerts(session, user.id, "address confirmed")
    return AccountChange(contact)


def send_confirmation(session: Session, user_id: UUID) -> None:
    """Write the mail that confirms the address of a signed-in user once more; nothing where it needs none."""
    user = session.get_one(User, user_id, with_for_update={"key_share": True})
    contact = find_mailbox(session, user_id)
    if contact is None or contact.confirmed:
        return
    mails = count_mails(session, contact, "verify_email")
    if mails.may_repeat and (registration := find_own_registration(session, user)):
        write_confirmation(session, contact, mails, registration, takes_code=True, asked=True)
    elif mails.may_repeat:
        write_mail(session, contact, "verify_email", mails, {"asked": True})


def find_own_registration(session: Session, user: User) -> PendingRegistration | None:
    """Return the registration from which a user who is not confirmed has their password."""
    mine = (PendingRegistration.user_id == user.id, PendingRegistration.password_hash == user.password_hash)
    return session.scalars(sa.select(PendingRegistration).where(*mine)).first()


def register(
    wish: RegistrationForm,
    alert: NewAlert | None = None,
    wished_page: str | None = None,
    *,
    takes_code: bool = False,
    address: str | None = None,
) -> tuple[UUID, str]:
    """Open an account, and send the mail that confirms its address. Whether the address is known never shows.

    No transaction is open while the password is hashed. `wished_page`: where the wish goes on. `takes_code`: the
    browser that registers has a page for the code of the mail. `address`: of the network. Return the id and the
    password's hash, with which it goes on.

    Raises:
        ApiError: 422, the password can be guessed, or the wished alert can be none; 503, no turn came to
            hash it.
    """
    with open_session() as s:
        if alert:
            check_wish(s, alert)
        pending = find_pending_hash(s, wish.email)
    hashed = hash_new_password(wish.password.get_secret_value(), wish.email, pending)
    # A name would be shown to the mailbox's owner, whoever registered; calls need a number that is confirmed.
    kept = alert.model_dump(mode="json", by_alias=True, exclude={"name", "voice"}) if alert else None
    id = write_once(
        register_account, wish, hashed, kept,
        wished_page=wished_page, takes_code=takes_code, address=address,
    )  # fmt: skip
    return id, hashed


def repeat_registration(
    session: Session,
    wish: RegistrationForm,
    id: UUID,
    password_hash: str,
    wished_page: str | None,
    *,
    address: str | None = None,
) -> None:
    """Send the mail of a registration again; to another address than before it is withdrawn from that one.

    Whether the address is known never shows.
    """
    withdraw_registration(session, id, but=wish.email)
    register_account(
        session, wish, password_hash,
        registration_id=id, wished_page=wished_page, takes_code=True, address=address,
    )  # fmt: skip


def confirm_by_code(registration_id: UUID, email: str, code: str) -> User:
    """Confirm the address of a registration by the code in its mail; the account takes its password.

    `email` is where the caller counted the try: a registration that went to another address has no code there.

    Only the browser that registered may try: its user typed the password there, and reads the mails to the address.
    A refusal takes EVEN_ANSWER_SECONDS at least, and does not tell whether a code waits.

    Raises:
        ApiError: 422 wrong-code.
    """
    until = time.monotonic() + _even_answer_seconds()
    user = write_once(_try_code, registration_id, email, code)
    if user is None:
        time.sleep(max(0.0, until - time.monotonic()))
        raise refuse_wrong_code(0)
    return user


def _try_code(session: Session, registration_id: UUID, email: str, code: str) -> User | None:
    """Return the user whose account a code built. Commit in any case: a wrong one costs a try."""
    user, kept = lock_registration(session, registration_id)
    contact = find_mailbox(session, user.id) if user else None
    oldest = clock() - timedelta(seconds=CONFIRMATION_CODE_SECONDS)
    if user is None or kept is None or contact is None or kept.code_hash is None:
        return None
    # Confirmed already: a registration that was under way meanwhile may be a stranger's.
    if user.email_folded != fold_address(email) or contact.verified_at is not None:
        return None
    if kept.code_sent_at is None or kept.code_sent_at <= oldest or kept.wrong_tries >= TRIES:
        return None
    if not is_code(CODE_PURPOSE, kept.id, code, kept.code_hash):
        kept.wrong_tries += 1
        return None
    confirm_first(session, user, contact, kept.password_hash, kept)
    return user


def send_reset_mail(email: str, may_mail: Callable[[str], bool]) -> None:
    """Send a link to choose a new password, where the address has an account.

    `may_mail` decides about an account that was never confirmed: whoever registered it may not read the mailbox.

    It takes EVEN_ANSWER_SECONDS at least: writing a mail takes longer than finding no account.
    """
    until = time.monotonic() + _even_answer_seconds()
    write_once(ask_reset, email, may_mail)
    time.sleep(max(0.0, until - time.monotonic()))


def ask_reset(session: Session, email: str, may_mail: Callable[[str], bool]) -> None:
    """Write the mail with a link to choose a new password; nothing for an address without an account."""
    contact = lock_mailbox(session, email)
    if contact is None:
        return
    mails = count_mails(session, contact, "password_reset")
    # No daily limit, which a stranger could use up: there is always a link that works, or a mail may follow.
    gap = timedelta(seconds=PASSWORD_RESET_SECONDS / 2) if mails.today >= _SOON else BETWEEN
    recent = mails.latest is not None and mails.latest > clock() - gap
    if not recent and (contact.verified_at is not None or may_mail(contact.address)):
        write_mail(session, contact, "password_reset", mails, {})


def reset_by_token(token: str, password: str, may_take_kept_turn: Callable[[str], bool]) -> AccountChange:
    """Set the password of a reset token's account, end its logins, and confirm the address that got the link.

    No transaction is open while the password is hashed.

    Raises:
        configs.ground.signing.LinkRefused: the token is expired or forged.
        ApiError: 422, the password can be guessed; 503, no turn came to hash it.
    """
    contact, _ = read_once(find_contact, ResetPassword, token)
    if contact is None:
        return AccountChange(None)
    # Who has the mail is known: this is the way in for those whom strangers keep out.
    hashed = hash_new_password(password, contact.address, kept=may_take_kept_turn(contact.address))
    return write_once(_reset_password, token, hashed)


def change_password(
    session: Session, user_id: UUID, login_id: UUID, password_hash: str
) -> tuple[User, LoginChange]:
    """Set a user's password and end their logins, except this one, which gets new tokens.

    The link to a provider ends as well: who knew the password before may have made it.
    """
    user = session.get_one(User, user_id, with_for_update={"key_share": True})
    # The registration that this password came from keeps pace, so that its mail does not bring the old one back.
    session.execute(
        sa.update(PendingRegistration)
        .where(
            PendingRegistration.user_id == user_id, PendingRegistration.password_hash == user.password_hash
        )
        .values(password_hash=password_hash)
    )
    if user.password_hash:
        session.execute(sa.delete(Identity).where(Identity.user_id == user_id))
    user.password_hash = password_hash
    end_all_logins(session, user_id, EndedBecause.NEW_PASSWORD, but=login_id)
    session.refresh(user)
    change = renew_login(session, login_id)
    _report_password(session, user)
    return user, change


def read_new_password(text: str) -> str:
    """Return a new password from a form.

    Raises:
        ApiError: 422, it is too short or too long.
    """
    if not SHORTEST <= len(text) <= LONGEST or "\0" in text:
        detail = f"a password has {SHORTEST} to {LONGEST} characters"
        raise invalid(FieldError(path="password", rule="length", detail=detail))
    return text


def _reset_password(session: Session, token: str, password_hash: str) -> AccountChange:
    contact, _ = find_contact(session, ResetPassword, token, lock=True)
    if contact is None:
        return AccountChange(None)
    user = session.get_one(User, contact.user_id)
    if contact.verified_at is None:
        confirm_first(session, user, contact, password_hash, None)
    else:
        # The second factor stays: a mailbox that somebody else reads must not be enough.
        user.password_hash = password_hash
        # Who linked it may be another
        session.execute(sa.delete(Identity).where(Identity.user_id == user.id))
        end_all_logins(session, user.id, EndedBecause.NEW_PASSWORD)
    _report_password(session, user)
    return AccountChange(contact)


def _take_registration(
    session: Session, user: User, contact: Contact, registration_id: UUID | None, *, drops_password: bool
) -> AccountChange:
    """Build the account from the registration whose mail was confirmed.

    None fits where a later registration got no mail of its own: then the mailbox's owner, who may be behind that one,
    chooses a password, as with `drops_password`.
    """
    mine = PendingRegistration.user_id == user.id
    pending = list(session.scalars(sa.select(PendingRegistration).where(mine)))
    chosen = _choose_registration(pending, registration_id)
    kept = chosen.password_hash if chosen else None if pending else user.password_hash
    if drops_password:
        kept = None
    confirm_first(session, user, contact, kept, chosen)
    must_choose = kept is None and (drops_password or bool(pending))
    return AccountChange(contact, sign_reset(contact, user) if must_choose else None, user)


def confirm_first(
    session: Session,
    user: User,
    contact: Contact,
    password_hash: str | None,
    registration: PendingRegistration | None,
    *,
    language: str = "",
) -> None:
    """Confirm an address for the first time: the account is built anew, without what anybody set up before.

    `language`: of who confirms it without a registration.
    """
    wish = registration.alert_wish if registration else None
    rebuild_account(session, user, password_hash, registration)
    user.language = language or user.language
    contact.enabled, contact.state, contact.verified_at = True, ContactState.OK, clock()
    give_consent(contact, "email_confirmation")
    session.flush()
    if wish:
        add_wished_alert(session, user, wish)
    wake_alerts(session, user.id, "address confirmed")
    write_message(session, user.id, "welcome", {}, f"welcome:{user.id}")


def _choose_registration(
    pending: list[PendingRegistration], registration_id: UUID | None
) -> PendingRegistration | None:
    """Return the registration of a mail; None where it is not certain that the mail's reader made it."""
    if registration_id is None and len(pending) == 1:
        return pending[0]
    chosen = next((each for each in pending if each.id == registration_id), None)
    without_mail = [each.created_at for each in pending if each.password_hash is None]
    if chosen is None or any(at >= chosen.created_at for at in without_mail):
        return None
    return chosen


def _report_password(session: Session, user: User) -> None:
    session.flush()
    now = clock()
    params, key = {"at": now.isoformat()}, f"password-changed:{user.id}:{now.isoformat()}"
    write_message(session, user.id, "password_changed", params, key)
