"""Ownership of numbers and chats: each belongs to the account that proved it last, and its holder can take it back."""

from datetime import datetime
from typing import Literal
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.ground.errors import ApiError
from api.ground.messages import write_message
from api.models.contact_lookup import claim_address, find_contact, hash_address, lock_messages
from api.models.user import Channel, Contact
from configs.ground.clock import clock


def free_address(session: Session, user_id: UUID, channel: Channel, address: str) -> None:
    """Take a proven number or chat from the account that had it, and tell that one.

    Two accounts that prove one address at once wait for each other.
    """
    first = int.from_bytes(hash_address(channel, address)[0][:8], signed=True)
    session.execute(sa.select(sa.func.pg_advisory_xact_lock(first)))
    former = find_contact(session, channel, address)
    if former is not None and former.user_id != user_id:
        drop_contact(session, former, "moved")


def take_address(session: Session, contact: Contact) -> None:
    """Make a proven address the contact's; free_address comes before.

    Raises:
        ApiError: 503, a program with another LOOKUP_KEY takes it at this moment.
    """
    if not claim_address(session, contact):
        raise ApiError(503, "busy", "another account proves this at the moment: try again")


def drop_contact(session: Session, contact: Contact, why: Literal["moved", "unlinked"]) -> None:
    """Delete a contact, and tell its account on the other channels."""
    lock_messages(session, [contact.id])
    write_message(
        session,
        contact.user_id,
        kind="channel_lost",
        params={"channel": contact.channel.value, "state": why},
        dedupe_key=f"channel_lost:{contact.id}:{clock().isoformat()}",
        channels=[each.value for each in Channel if each is not contact.channel],
    )
    session.delete(contact)
    session.flush()


def drop_contacts_since(session: Session, user_id: UUID, since: datetime) -> None:
    """Delete the numbers, chats and devices that a user proved since then."""
    proven = sa.select(Contact).where(
        Contact.user_id == user_id, Contact.channel != Channel.EMAIL, Contact.verified_at >= since
    )
    for each in session.scalars(proven.order_by(Contact.id)).all():
        drop_contact(session, each, "unlinked")
