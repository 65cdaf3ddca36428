"""Reads of users and their grants for operators."""

from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.accounts.queries import find_former_user, find_mailbox, find_user, read_account
from api.admin.audit import AuditedWork
from api.admin.short_addresses import shorten_address, shorten_email
from api.admin.users.schemas import (
    GrantEntry,
    GrantPage,
    UserDetails,
    UserEntry,
    UserPage,
    UserQuery,
    UserSearch,
)
from api.errors import not_found
from api.models.alert import Alert
from api.models.user import Grant, User
from api.paging import PageQuery, read_page


def list_users(session: Session, wanted: UserQuery, *, full: bool) -> UserPage:
    """Return a page of users; `full` shows whole addresses."""
    query = sa.select(User)
    if wanted.role:
        query = query.where(User.role == wanted.role)
    users, following = read_page(session, query, User.id, wanted)
    return UserPage(items=[_build_entry(each, full=full) for each in users], next=following)


def search_users(work: AuditedWork, wanted: UserSearch) -> UserPage:
    """Return the user who has an address, or who had it a few days ago.

    The audit's row says of whom, and what was searched for, shortened.
    """
    users = (find(work.session, wanted.email) for find in (find_user, find_former_user))
    found = [_build_entry(user, full=work.actor.sees_addresses) for user in users if user]
    work.changes["searched"] = shorten_email(wanted.email)
    work.note_seen(each.id for each in found)
    return UserPage(items=found, next=None)


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
    account = dict(read_account(session, user.id))
    mailbox = find_mailbox(session, user_id)
    account["former_email"] = mailbox.former_address if mailbox else None
    if not full:
        account = {name: shorten_address(name, value) for name, value in account.items()}
    alerts = sa.select(sa.func.count()).where(Alert.user_id == user_id, Alert.closed_at.is_(None))
    return UserDetails(
        **account,
        role=user.role,
        open_alerts=session.scalar(alerts) or 0,
    )


def list_grants(session: Session, user_id: UUID, page: PageQuery) -> GrantPage:
    """Return a page of a user's grants.

    Raises:
        api.errors.ApiError: 404, no such user.
    """
    get_user(session, user_id)
    query = sa.select(Grant).where(Grant.user_id == user_id)
    grants, following = read_page(session, query, Grant.id, page)
    return GrantPage(items=[GrantEntry.model_validate(each) for each in grants], next=following)


def describe_grants(session: Session, user_id: UUID) -> str:
    """Return a text that is another one after each grant of a user that is added or removed."""
    mine = Grant.user_id == user_id
    newest = sa.select(Grant.id).where(mine).order_by(Grant.id.desc()).limit(1).scalar_subquery()
    number, newest_id = session.execute(sa.select(sa.func.count(), newest).where(mine)).one()
    return f"{number} {newest_id}"


def get_grant(session: Session, user_id: UUID, grant_id: UUID) -> GrantEntry:
    """Return a grant of a user.

    Raises:
        api.errors.ApiError: 404.
    """
    grant = session.get(Grant, grant_id)
    if grant is None or grant.user_id != user_id:
        raise not_found("grant")
    return GrantEntry.model_validate(grant)


def _build_entry(user: User, *, full: bool) -> UserEntry:
    return UserEntry(
        id=user.id,
        email=user.email if full else shorten_email(user.email),
        role=user.role,
        second_factor=user.has_second_factor,
        created_at=user.created_at,
    )
