"""Recipients of operators' messages: whether a user is still one when the message leaves."""

from sqlalchemy.orm import Session, load_only

from api.models.user import Contact, Role, User


def is_operator_no_more(session: Session, contact: Contact) -> bool:
    """Return whether a contact's user has become a plain user."""
    user = session.get_one(User, contact.user_id, options=[load_only(User.role)])
    return user.role is Role.USER
