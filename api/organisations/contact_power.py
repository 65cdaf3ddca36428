"""Power of a person's contact: by whose link consents are given and all is taken over. Members enter contacts, too."""

from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.models.audit import AuditEntry
from api.models.organisation import NOTICE_PERIOD
from api.models.user import Contact
from configs.ground.clock import clock

POWER_TAKEN = "person.contact"  # the act of a member who removes the contact that has it


def find_first_confirmed(session: Session, user_id: UUID) -> UUID | None:
    """Return the contact that was confirmed first."""
    mine = sa.select(Contact.id).where(Contact.user_id == user_id, Contact.verified_at.is_not(None))
    return session.scalar(mine.order_by(Contact.verified_at, Contact.id).limit(1))


def has_power(session: Session, contact: Contact) -> bool:
    """Return whether a contact has the power: no other one was confirmed before, nor removed in NOTICE_PERIOD."""
    taken = sa.exists().where(
        AuditEntry.subject_id == str(contact.user_id), AuditEntry.action == POWER_TAKEN,
        AuditEntry.at > clock() - NOTICE_PERIOD,
    )  # fmt: skip
    is_first = find_first_confirmed(session, contact.user_id) in (None, contact.id)
    return is_first and not session.scalar(sa.select(taken))
