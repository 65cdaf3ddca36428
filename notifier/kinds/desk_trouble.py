"""To operators: a site or a desk is in trouble, and what to do about it."""

from datetime import datetime

from sqlalchemy.orm import Session

from api.models.notification import State
from api.models.user import Contact, Role, User
from notifier.kinds import Claimed, Facts, Held
from notifier.watching import at_home, refused, spots


def may_go_to(contact: Contact) -> bool:
    """Where an operator wants to be reached and can be."""
    return contact.reachable


def look(session: Session, row: Claimed, contact: Contact, _now: datetime) -> Facts | Held:
    """Return what is in trouble since when; nobody who is no operator any more is told."""
    if session.get_one(User, contact.user_id).role is Role.USER:
        return Held(State.SKIPPED, "no operator any more")
    found = spots(row.params["desks"])
    values = {
        "subject": row.params["subject"],
        "reason": row.params["reason"],
        "spots": found,
        "more": row.params["count"] - len(found),
        **at_home(row.params, row.language),
    }
    return refused(contact) or Facts(values)
