"""Change of an account's e-mail address: the new one takes effect when its owner confirms it."""

from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

import notifier
from api.accounts.consents import give_consent
from api.accounts.mails import count_mails, write_mail
from api.errors import ApiError
from api.models.user import FORMER_KEPT_FOR, Channel, Contact, ContactState, User
from configs.ground.clock import clock
from configs.ground.contact_addresses import digest, fold_address, shorten_address

_KIND = "verify_new_email"
_DAY = 86400  # seconds


def request_new_email(session: Session, user: User, email: str) -> list[UUID]:
    """Note a new address and write the mail that asks to confirm it; return the notifications to nudge.

    Whether another account has the address shows only to who can read its mail. Lock the user's row before.

    Raises:
        api.errors.ApiError: 429 too-many-mails.
    """
    contact = session.scalars(
        sa.select(Contact)
        .where(Contact.user_id == user.id, Contact.channel == Channel.EMAIL)
        .with_for_update(key_share=True)
    ).one()
    if fold_address(email) == user.email_folded:
        contact.new_address = None
        return []
    mails = count_mails(session, contact, _KIND)
    if not mails.may_follow:
        detail = "too many new addresses were asked for today: wait as long as Retry-After says"
        raise ApiError(429, "too-many-mails", detail, headers={"Retry-After": str(_DAY)})
    contact.new_address = email
    session.flush()
    params = {"address": digest(email), "version": user.token_version}
    return write_mail(session, contact, _KIND, mails, params)


def apply_new_email(session: Session, contact: Contact) -> list[UUID]:
    """Make the confirmed new address the account's; return the notifications to nudge: the old address gets one.

    Raises:
        api.errors.ApiError: 409 address-taken; roll back then.
    """
    user = session.get_one(User, contact.user_id, with_for_update={"key_share": True})
    new, old = contact.new_address or contact.address, contact.address
    user.email = contact.address = new
    _keep_former(contact, old)
    user.factor_ends_at = None  # it was told to the mailbox before; who moves the account is signed in
    contact.new_address, contact.verified_at, contact.state = None, clock(), ContactState.OK
    if contact.enabled:
        give_consent(contact, "email_confirmation")
    try:
        session.flush()
    except IntegrityError:  # the index on users
        detail = "this address belongs to another account: sign in there"
        raise ApiError(409, "address-taken", detail) from None
    return report_move(session, contact, old)


def report_move(session: Session, contact: Contact, mailbox: str) -> list[UUID]:
    """Tell a mailbox that the account has another address; the one that may take it back gets the link for that."""
    params: dict[str, Any] = {"changed": "email", "shown": shorten_address(contact.address), "to": mailbox}
    if mailbox == contact.former_address:
        params["back"] = True
    key = f"address_changed:{contact.id}:{clock().isoformat()}"
    return notifier.create_notifications(session, contact.user_id, "address_changed", params, key)


def _keep_former(contact: Contact, old: str) -> None:
    """Keep the mailbox that the account had first: who took the account may move it on."""
    if contact.former_address and fold_address(contact.former_address) == fold_address(contact.address):
        contact.former_address = contact.moved_at = None
    elif contact.moved_at is None or contact.moved_at <= clock() - FORMER_KEPT_FOR:
        contact.former_address, contact.moved_at = old, clock()
