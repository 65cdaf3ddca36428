"""Claims of an account's mailbox: the account at its first confirmation, its return within a week of a move.

Everybody may register a stranger's address and sign in. The account belongs to the mailbox: when that confirms it, the
account is built anew from the registration whose mail was confirmed. Who took an account over moves its address first:
by the link in the mail about the move the mailbox takes it back. Moves that follow, and new passwords, do not void it.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar
from uuid import UUID

import sqlalchemy as sa
import structlog
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from api.accounts.queries import find_entitlement, has_address
from api.accounts.service import report_move, tell_stripe_address
from api.alerts.schemas import NewAlert
from api.alerts.service import create_alert
from api.alerts.wishes import resolve_wish
from api.auth.logins import end_all_logins
from api.ground.errors import ApiError
from api.models.base import Base
from api.models.login import EndedBecause, Identity, PendingRegistration
from api.models.payment import Payment, Subscription
from api.models.user import FORMER_KEPT_FOR, Channel, Contact, ContactState, Grant, Role, User
from configs.ground.addresses import digest, fold_address
from configs.ground.clock import clock
from configs.ground.signing import (
    AddressLink,
    ResetPassword,
    ReturnAddress,
    VerifyAddress,
    read_token,
    write_token,
)
from configs.world.plan import PlanName

L = TypeVar("L", bound=AddressLink)
log = structlog.get_logger(__name__)


def find_contact(
    session: Session, kind: type[L], token: str, *, lock: bool = False
) -> tuple[Contact | None, L]:
    """Return the contact that a token was sent to, and what else the token carries.

    It is None where the account is gone, has another address, or, for a reset, another password by now; for a new
    address also where it was replaced by yet another one, or the password has changed. With `lock` the user's row is
    locked.

    Raises:
        configs.ground.signing.LinkRefused: the token is expired or forged.
    """
    link = read_token(kind, token)
    contact = session.get(Contact, link.contact)
    if contact is None:
        return None, link
    user = session.get(User, contact.user_id, with_for_update={"key_share": True} if lock else None)
    contact = session.get(Contact, contact.id, populate_existing=True)  # as it is behind the lock
    if user is None or contact is None or not _is_address_of(link, contact, user):
        return None, link
    if isinstance(link, ResetPassword) and digest(user.password_hash or "") != link.password:
        return None, link
    return contact, link


def sign_reset(contact: Contact, user: User) -> str:
    """Return a token to set the account's password, which is good until that changes."""
    return write_token(ResetPassword(contact.id, digest(contact.address), digest(user.password_hash or "")))


def find_unconfirmed(contact: Contact, link: VerifyAddress) -> str | None:
    """Return the address that a token would confirm; None where that is done."""
    if link.new is not None and contact.new_address:
        return contact.new_address
    return None if contact.confirmed else contact.address


def _is_address_of(link: AddressLink, contact: Contact, user: User) -> bool:
    address = contact.address
    if isinstance(link, VerifyAddress) and link.new is not None:
        if link.new != user.token_version:
            return False
        address = contact.new_address or address
    return digest(address) == link.address


@dataclass(frozen=True, slots=True)
class ColumnRules:
    """What becomes of the columns of a user's row in a table; names are separated by blanks, and others stay."""

    given: str  # by the registration, or by the confirmation itself
    reset: str  # to the default of the column


RULES: Mapping[str, ColumnRules] = {
    "users": ColumnRules(
        given="password_hash language wished_plan wished_page registered_from",
        reset="time_zone totp_secret totp_confirmed_at totp_used_step recovery_hashes factor_ends_at outage_credit"
        " slot_rhythm digest_at quiet_from quiet_until quiet_slots calls_from calls_until declined_channels"
        " told_in_doubt may_be_asked report_consent",
    ),
    # The mailbox alone is left; a number of the registration is added again.
    "contacts": ColumnRules(
        given="verified_at enabled state consent consented_at",
        reset="new_address former_address moved_at stopped_groups summary_since",
    ),
}
# With all their rows
GOES = (
    "alerts",
    "exports",
    "identities",
    "notices",
    "phone_codes",
    "registrations",
    "telegram_links",
)


def rebuild_account(
    session: Session, user: User, password_hash: str | None, registration: PendingRegistration | None
) -> None:
    """Rebuild an account that was never confirmed, with this password; the caller locked its row.

    Its logins go on only where the password is the one that they were opened with.
    """
    language, phone, plan, wished_page, networks = "fr", None, None, None, list[bytes]()
    if r := registration:
        language, phone, plan, wished_page = r.language, r.phone, r.wished_plan, r.wished_page
        networks = list(r.registered_from)
    if password_hash is None or password_hash != user.password_hash:
        end_all_logins(session, user.id, EndedBecause.ADDRESS_CONFIRMED)
    session.flush()
    session.execute(sa.delete(Contact).where(Contact.user_id == user.id, Contact.channel != Channel.EMAIL))
    tables = Base.metadata.tables
    for name in GOES:
        session.execute(sa.delete(tables[name]).where(tables[name].c.user_id == user.id))
    for name, rules in RULES.items():
        mine = (tables[name].c.id if name == "users" else tables[name].c.user_id) == user.id
        fresh = dict.fromkeys(rules.reset.split(), sa.text("DEFAULT"))
        session.execute(sa.update(tables[name]).where(mine).values(fresh))
    session.expire_all()
    user.password_hash, user.language = password_hash, language
    user.wished_plan, user.wished_page, user.registered_from = plan, wished_page, networks
    if phone:
        session.add(Contact(user_id=user.id, channel=Channel.SMS, address=phone, enabled=False))


def find_wished_page(session: Session, contact: Contact, registration_id: UUID | None) -> str | None:
    """Return the target at which the wish of an account goes on, or of a registration that waits to be confirmed."""
    kept = session.get(PendingRegistration, registration_id) if registration_id else None
    return kept.wished_page if kept and kept.user_id == contact.user_id else contact.user.wished_page


def lock_registration(
    session: Session, registration_id: UUID
) -> tuple[User | None, PendingRegistration | None]:
    """Return the user of a registration, whose row is locked, and the registration as it is behind the lock."""
    kept = session.get(PendingRegistration, registration_id)
    user = session.get(User, kept.user_id, with_for_update={"key_share": True}) if kept else None
    return user, session.get(PendingRegistration, registration_id, populate_existing=True)


def withdraw_registration(session: Session, registration_id: UUID, *, but: str) -> None:
    """Delete a registration whose address was mistyped; with the last one goes the account that nobody confirmed.

    `but`: the address that it has now.
    """
    user, kept = lock_registration(session, registration_id)
    if user is None or kept is None or user.email_folded == fold_address(but):
        return
    if user.password_hash == kept.password_hash:
        user.password_hash = None
    session.delete(kept)
    session.flush()
    others = sa.select(PendingRegistration.id).where(PendingRegistration.user_id == user.id)
    if session.scalar(others) is None:
        _drop_unconfirmed(session, user.email)


def add_wished_alert(session: Session, user: User, found: object) -> None:
    """Add the alert that stood in the registration: paused where it needs a plan that the account has not."""
    wish = NewAlert.model_validate_json(json.dumps(found)).model_copy(update={"accept_waiting": True})
    has_plan = find_entitlement(session, user.id, clock()).plan.name is not PlanName.NONE
    try:
        create_alert(session, user.id, resolve_wish(session, wish), paused=not has_plan)
    except ApiError as error:  # its desks are not what they were when it was wished
        log.info("the wish of a registration became no alert", because=error.word, user=str(user.id))


@dataclass(frozen=True, slots=True)
class ReturnedAccount:
    """An account that its former mailbox has again."""

    user_id: UUID
    moved_at: datetime  # when the account left the mailbox
    address: str
    reset_token: str  # by which the owner chooses a password


def find_former(session: Session, token: str, *, lock: bool = False) -> Contact | None:
    """Return the contact whose account a link takes back; None where that is done or too late.

    With `lock` the user's row is locked.

    Raises:
        configs.ground.signing.LinkRefused: the token is expired or forged.
    """
    link = read_token(ReturnAddress, token)
    contact = session.get(Contact, link.contact)
    if contact is None:
        return None
    if lock:
        session.get(User, contact.user_id, with_for_update={"key_share": True}, populate_existing=True)
        contact = session.get(Contact, link.contact, populate_existing=True)
    if contact is None or contact.former_address is None or contact.moved_at is None:
        return None
    is_late = contact.moved_at <= clock() - FORMER_KEPT_FOR
    return None if is_late or digest(contact.former_address) != link.address else contact


def take_address_back(session: Session, token: str) -> ReturnedAccount | None:
    """Give an account back to the mailbox that it left: its logins end, and it has no password.

    Its second factor stays: a mailbox that somebody else reads must not be enough.

    Raises:
        ApiError: 409 address-taken; roll back then.
        configs.ground.signing.LinkRefused: the token is expired or forged.
    """
    contact = find_former(session, token, lock=True)
    if contact is None or contact.former_address is None or contact.moved_at is None:
        return None
    user, left, address = session.get_one(User, contact.user_id), contact.address, contact.former_address
    moved_at = contact.moved_at
    _drop_unconfirmed(session, address)
    user.email = contact.address = address
    tell_stripe_address(session, user)
    contact.new_address = contact.former_address = contact.moved_at = None
    contact.verified_at, contact.state = clock(), ContactState.OK
    user.password_hash = user.factor_ends_at = None
    try:
        session.flush()
    except IntegrityError:  # the index on users
        detail = "this address has another account, which was confirmed: sign in there, or write to support"
        raise ApiError(409, "address-taken", detail) from None
    session.execute(sa.delete(Identity).where(Identity.user_id == user.id))
    end_all_logins(session, user.id, EndedBecause.ADDRESS_CONFIRMED)
    report_move(session, contact, left)
    return ReturnedAccount(user.id, moved_at, address, sign_reset(contact, user))


def _drop_unconfirmed(session: Session, address: str) -> None:
    """Delete an account that somebody opened meanwhile with the address, and that its mailbox never confirmed."""
    kept_by = (
        sa.select(Contact.id).where(Contact.user_id == User.id, Contact.verified_at.is_not(None)),
        *(sa.select(table.id).where(table.user_id == User.id) for table in (Payment, Subscription, Grant)),
    )
    unused = [~reason.exists() for reason in kept_by]
    session.execute(sa.delete(User).where(has_address(address), User.role == Role.USER, *unused))


def drop_former_addresses(session: Session) -> int:
    """Forget the mailboxes that accounts left a week ago; return how many."""
    old = Contact.moved_at <= clock() - FORMER_KEPT_FOR
    forgotten = sa.update(Contact).where(old).values(former_address=None, moved_at=None)
    return len(session.scalars(forgotten.returning(Contact.id)).all())
