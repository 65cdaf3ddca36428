"""Reads of a user's channels."""

from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.models.user import Channel, Contact, ContactState


def read_channel_states(session: Session, user_id: UUID) -> dict[Channel, ContactState]:
    """Return the state of each address that the user has."""
    found = session.scalars(sa.select(Contact).where(Contact.user_id == user_id))
    return {contact.channel: contact.state for contact in found}
