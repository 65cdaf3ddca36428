"""Users and their grants as operators find them."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.accounts.queries import find_former_user, find_mailbox, find_user, read_account
from api.accounts.schemas import Account, Email
from api.admin.found import Found, apply_filter
from api.admin.short_addresses import shorten_address
from api.errors import not_found
from api.models.alert import Alert
from api.models.user import Grant, Role, User
from api.paging import PageQuery, read_page
from api.schemas import Body


class UserQuery(PageQuery):
    """Users who have the role."""

    role: Role | None = None


class UserSearch(Body):
    """Search by a whole address, in any spelling: a part would let operators read addresses by trying."""

    email: Email


class UserDetails(Account):
    """An account as its owner sees it, with what operators need. Support sees addresses shortened."""

    role: Role
    open_alerts: int
    former_email: str | None  # the mailbox that may take the account back


def list_users(session: Session, wanted: UserQuery) -> Found[User]:
    """Return a page of users, the newest first."""
    query = apply_filter(sa.select(User), wanted, role=User.role)
    return Found(*read_page(session, query, User.id, wanted))


def search_users(session: Session, email: str) -> Sequence[User]:
    """Return the user who has an address, and the one who had it a few days ago."""
    users = (find(session, email) for find in (find_user, find_former_user))
    return [user for user in users if user]


def get_user(session: Session, user_id: UUID, *, lock: bool = False) -> User:
    """Return a user.

    Raises:
        api.errors.ApiError: 404.
    """
    user = session.get(User, user_id, with_for_update={"key_share": True} if lock else None)
    if user is None:
        raise not_found("user")
    return user


def read_user(session: Session, user_id: UUID, *, full: bool) -> UserDetails:
    """Return one user; `full` shows whole addresses.

    Raises:
        api.errors.ApiError: 404.
    """
    user = get_user(session, user_id)
    account: dict[str, Any] = dict(read_account(session, user.id))
    mailbox = find_mailbox(session, user_id)
    account["former_email"] = mailbox.former_address if mailbox else None
    if not full:
        account = {name: shorten_address(name, value) for name, value in account.items()}
    alerts = sa.select(sa.func.count()).where(Alert.user_id == user_id, Alert.closed_at.is_(None))
    return UserDetails(**account, role=user.role, open_alerts=session.scalar(alerts) or 0)


def list_grants(session: Session, user_id: UUID, page: PageQuery) -> Found[Grant]:
    """Return a page of a user's grants, the newest first."""
    query = sa.select(Grant).where(Grant.user_id == user_id)
    return Found(*read_page(session, query, Grant.id, page))


def describe_grants(session: Session, user_id: UUID) -> str:
    """Return a text that is another one after each grant of a user that is added or removed."""
    mine = Grant.user_id == user_id
    newest = sa.select(Grant.id).where(mine).order_by(Grant.id.desc()).limit(1).scalar_subquery()
    number, newest_id = session.execute(sa.select(sa.func.count(), newest).where(mine)).one()
    return f"{number} {newest_id}"


def get_grant(session: Session, user_id: UUID, grant_id: UUID) -> Grant:
    """Return a grant of a user.

    Raises:
        api.errors.ApiError: 404.
    """
    grant = session.get(Grant, grant_id)
    if grant is None or grant.user_id != user_id:
        raise not_found("grant")
    return grant
