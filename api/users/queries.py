"""Reads of a user's channels."""

from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.accounts.queries import index_contacts
from api.models.user import Channel, Contact, ContactState


def read_channel_states(session: Session, user_id: UUID) -> dict[Channel, ContactState]:
    """Return the state of each address that the user has."""
    found = session.scalars(sa.select(Contact).where(Contact.user_id == user_id))
    return {channel: contact.state for channel, contact in index_contacts(found).items()}


def read_stopped_groups(session: Session, user_id: UUID) -> list[str]:
    """Return the groups of mails that are stopped, in the order of their names."""
    groups = sa.select(sa.func.unnest(Contact.stopped_groups)).where(
        Contact.user_id == user_id, Contact.channel == Channel.EMAIL
    )
    return sorted(set(session.scalars(groups)))
