"""Return of an account to the mailbox that it left: by the link in the mail about the move, within a week.

Who took an account over moves its address first. Moves that follow, and new passwords, do not void the link.
"""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from api.accounts.queries import has_address
from api.accounts.service import report_move
from api.auth.tokens import sign_reset
from api.errors import ApiError
from api.logins.service import end_all_logins
from api.models.login import EndedBecause
from api.models.payment import Payment, Subscription
from api.models.user import FORMER_KEPT_FOR, Contact, ContactState, Grant, Role, User
from configs.ground.clock import clock
from configs.ground.contact_addresses import digest
from configs.ground.signed_links import ReturnAddress, read_token


@dataclass(frozen=True, slots=True)
class ReturnedAccount:
    """What follows the commit."""

    user_id: UUID
    moved_at: datetime  # when the account left the mailbox
    address: str
    reset_token: str  # by which the owner chooses a password
    mails: list[UUID]  # to nudge


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
        api.errors.ApiError: 409 address-taken; roll back then.
        configs.ground.signing.LinkRefused: the token is expired or forged.
    """
    contact = find_former(session, token, lock=True)
    if contact is None or contact.former_address is None or contact.moved_at is None:
        return None
    user, left, address = session.get_one(User, contact.user_id), contact.address, contact.former_address
    moved_at = contact.moved_at
    _drop_unconfirmed(session, address)
    user.email = contact.address = address
    contact.new_address = contact.former_address = contact.moved_at = None
    contact.verified_at, contact.state = clock(), ContactState.OK
    user.password_hash = user.factor_ends_at = None
    try:
        session.flush()
    except IntegrityError:  # the index on users
        detail = "this address has another account, which was confirmed: sign in there, or write to support"
        raise ApiError(409, "address-taken", detail) from None
    end_all_logins(session, user.id, EndedBecause.ADDRESS_CONFIRMED)
    mails = report_move(session, contact, left)
    return ReturnedAccount(user.id, moved_at, address, sign_reset(contact, user), mails)


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
