"""To operators: a site or a desk is in trouble, and what to do about it."""

from datetime import datetime

from sqlalchemy.orm import Session

from api.models.notification import State
from api.models.user import Contact, Role, User
from notifier.content.desk_message_content import at_home, refused, spots
from notifier.message_kinds import ClaimedRow, Skip, TemplateContext


def accepts_contact(contact: Contact) -> bool:
    """Where an operator wants to be reached and can be."""
    return contact.reachable


def prepare(session: Session, row: ClaimedRow, contact: Contact, _now: datetime) -> TemplateContext | Skip:
    """Return what is in trouble since when; nobody who is no operator any more is told."""
    if session.get_one(User, contact.user_id).role is Role.USER:
        return Skip(State.SKIPPED, "no operator any more")
    found = spots(row.params["desks"])
    values = {
        "subject": row.params["subject"],
        "reason": row.params["reason"],
        "spots": found,
        "more": row.params["count"] - len(found),
        **at_home(row.params, row.language),
    }
    return refused(contact) or TemplateContext(values)
