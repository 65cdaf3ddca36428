"""Loss of a contact: messages no longer arrive there. The user gets a notice on the other channels."""

from collections.abc import Collection
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.models.base import new_id
from api.models.user import Channel, Contact, ContactState
from notifier.delivery import message_writer

_KIND = "channel_lost"
# A contact that was lost in two ways has the later of these states, in whatever order it was heard of.
_RANKS = (ContactState.OK, ContactState.BOUNCED, ContactState.BLOCKED, ContactState.UNSUBSCRIBED)

# In the order of the hourly cap, and each user once, as there. The key share of the user keeps out its deletion, and no
# other change.
_LOCK = sa.text("""
WITH owners AS (
  SELECT id FROM users WHERE id IN (SELECT user_id FROM contacts WHERE id = ANY(CAST(:ids AS uuid[])))
  ORDER BY id FOR KEY SHARE
)
SELECT FROM owners u JOIN contacts k ON k.user_id = u.id WHERE k.id = ANY(CAST(:ids AS uuid[]))
ORDER BY u.id, k.id FOR NO KEY UPDATE OF k
""")


def lock_contacts(opened: Session, contact_ids: Collection[UUID]) -> None:
    """Lock contacts whose states may change, users before their contacts: before the first of several changes."""
    opened.execute(_LOCK, {"ids": [str(each) for each in contact_ids]})


def change_state(opened: Session, contact_id: UUID, state: ContactState, address: str | None = None) -> None:
    """Give a contact that state, unless its address is no longer the one given; tell its user where it was well.

    A state other than BOUNCED withdraws the consent: its owner answered STOP, or blocked us.
    """
    lock_contacts(opened, [contact_id])
    contact = opened.get(Contact, contact_id, populate_existing=True)
    if contact is None or (address is not None and contact.address != address):
        return
    was_well = contact.state is ContactState.OK and contact.verified_at is not None
    if _RANKS.index(state) > _RANKS.index(contact.state):
        contact.state = state
    if state is not ContactState.BOUNCED:
        contact.consented_at = None
    if was_well and not _has_other_device(opened, contact):
        _write_notices(opened, contact)


def _has_other_device(opened: Session, contact: Contact) -> bool:
    """Whether push still reaches its user: that a browser ended one of several subscriptions is no loss."""
    others = sa.select(Contact.id).where(
        Contact.user_id == contact.user_id,
        Contact.channel == contact.channel,
        Contact.id != contact.id,
        Contact.state == ContactState.OK,
    )
    return opened.scalar(others.limit(1)) is not None


def _write_notices(opened: Session, contact: Contact) -> None:
    """Write one message for each other channel; the sweep has them sent."""
    others = [each.value for each in Channel if each is not contact.channel]
    params = {"channel": contact.channel.value, "state": contact.state.value}
    message_writer.create_notifications(
        opened, contact.user_id, _KIND, params, f"{_KIND}:{new_id()}", priority="immediate", channels=others
    )
