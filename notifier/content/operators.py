"""Recipients of operators' messages: whether a user is still one when the message leaves."""

import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.models.user import Contact, Role, User


def is_operator_no_more(session: Session, contact: Contact) -> bool:
    """Return whether a contact's user has become a plain user."""
    role = session.scalars(sa.select(User.role).where(User.id == contact.user_id)).one()
    return role is Role.USER
