"""Users and their grants as operators find them, and the alerts of all users, which operators pause and resume."""

from contextlib import suppress
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import sqlalchemy as sa
from pydantic import AfterValidator, Field
from sqlalchemy.orm import Session, selectinload

from api.accounts.queries import find_former_user, find_mailbox, find_user, read_account
from api.accounts.schemas import Account
from api.admin.audit import shorten_address
from api.alerts import service as alerts
from api.ground.errors import ApiError, ensure_found, not_found
from api.ground.paging import Found, PageQuery, apply_filter, read_page
from api.ground.schemas import Body
from api.models.alert import Alert, AlertTarget
from api.models.contact_lookup import find_contact
from api.models.payment import Payment
from api.models.user import Channel, Contact, Grant, Role, User
from api.payments.declarations.schemas import find_number
from api.privacy.deletion import find_owned_alone
from configs.ground.addresses import email_address, phone_number
from configs.world.desk import Text

_MOST_HELPED = 20  # people at one address


class UserQuery(PageQuery):
    """Users who have the role."""

    role: Role | None = None


class UserSearch(Body):
    """Search by a whole address, a phone number, or the number of an order: a part would let operators read them."""

    wanted: Annotated[
        Text,
        Field(min_length=6, max_length=255),
        AfterValidator(lambda text: email_address(text) if "@" in text else text),
    ]


class UserDetails(Account):
    """An account as its owner sees it, with what operators need. Support sees addresses shortened."""

    suspended_at: datetime | None
    suspended_because: str | None
    owned_alone: str | None  # the organisation that has no other owner
    role: Role
    open_alerts: int
    former_email: str | None  # the mailbox that may take the account back


def list_users(session: Session, wanted: UserQuery) -> Found[User]:
    """Return a page of users, the newest first."""
    query = apply_filter(sa.select(User), wanted, role=User.role)
    return Found(*read_page(session, query, User.id, wanted))


def search_users(session: Session, text: str) -> list[User]:
    """Return the user who has an address, who had it a few days ago, and whom an organisation helps there.

    Or whose number or order it is.
    """
    if "@" in text:
        users = (find(session, text) for find in (find_user, find_former_user))
        theirs = Contact.channel == Channel.EMAIL, sa.func.lower(Contact.address) == text.lower()
        helped = sa.select(User).join(Contact).where(User.role == Role.BENEFICIARY, *theirs)
        helped = helped.order_by(User.id).limit(_MOST_HELPED)
        return [user for user in users if user] + list(session.scalars(helped))
    ids = set(session.scalars(sa.select(Payment.user_id).where(Payment.order_number == find_number(text))))
    with suppress(ValueError):
        contact = find_contact(session, Channel.SMS, phone_number(text))
        ids.add(contact.user_id if contact else None)
    return [session.get_one(User, each) for each in ids if each]


def get_user(session: Session, user_id: UUID, *, lock: bool = False) -> User:
    """Return a user.

    Raises:
        ApiError: 404.
    """
    return ensure_found(
        session.get(User, user_id, with_for_update={"key_share": True} if lock else None), "user"
    )


def read_user(session: Session, user_id: UUID, *, full: bool) -> UserDetails:
    """Return one user; `full` shows whole addresses.

    Raises:
        ApiError: 404.
    """
    user = get_user(session, user_id)
    account: dict[str, Any] = dict(read_account(session, user.id))
    mailbox = find_mailbox(session, user_id)
    account["former_email"] = mailbox.former_address if mailbox else None
    if not full:
        account = {name: shorten_address(name, value) for name, value in account.items()}
    alerts = sa.select(sa.func.count()).where(Alert.user_id == user_id, Alert.closed_at.is_(None))
    owned = find_owned_alone(session, user_id)
    account["owned_alone"] = owned and owned.name
    account |= {"suspended_at": user.suspended_at, "suspended_because": user.suspended_because}
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
        ApiError: 404.
    """
    grant = session.get(Grant, grant_id)
    if grant is None or grant.user_id != user_id:
        raise not_found("grant")
    return grant


class AnyAlertQuery(PageQuery):
    """Alerts of a user, about a prefecture, and only those that wait, or none of them."""

    limit: int = Field(25, ge=1, le=100)
    user_id: UUID | None = None
    prefecture_id: str | None = Field(None, max_length=100)
    is_active: bool | None = None


def list_alerts(session: Session, wanted: AnyAlertQuery) -> Found[Alert]:
    """Return a page of alerts with their targets, the newest first."""
    query = sa.select(Alert).options(selectinload(Alert.targets))
    query = apply_filter(query, wanted, user_id=Alert.user_id)
    if wanted.prefecture_id:
        query = query.where(_is_about(wanted.prefecture_id))
    if wanted.is_active is not None:
        waits = sa.and_(Alert.enabled, Alert.closed_at.is_(None))
        query = query.where(waits if wanted.is_active else ~waits)
    return Found(*read_page(session, query, Alert.id, wanted))


def get_alert(session: Session, alert_id: UUID) -> Alert:
    """Return an alert, open or closed.

    Raises:
        ApiError: 404.
    """
    return ensure_found(session.get(Alert, alert_id), "alert")


def switch_alert(session: Session, alert_id: UUID, *, waits: bool) -> dict[str, list[bool]]:
    """Pause an alert that waits, or let a paused one wait again, as its owner could; return what changed.

    Raises:
        ApiError: 404, also where a closed one is to wait; 402 or 409 as for the owner; 409, it is so already.
    """
    # The lock of its owner's row, as for its owner's own changes
    owner = sa.select(Alert.user_id).where(Alert.id == alert_id).scalar_subquery()
    session.execute(sa.select(User.id).where(User.id == owner).with_for_update(key_share=True))
    alert = get_alert(session, alert_id)
    if alert.waits and waits:
        raise ApiError(409, "alert-waiting", "this alert waits already")
    if not (alert.waits or waits):
        raise ApiError(409, "alert-not-waiting", "this alert is paused or closed already")
    alerts.switch_alert(session, alert.user_id, alert_id)
    return {"isActive": [not waits, waits]}


def _is_about(prefecture_id: str) -> sa.ColumnElement[bool]:
    named = AlertTarget.desk_id.startswith(f"{prefecture_id}/", autoescape=True)
    target = sa.select(AlertTarget.id).where(
        AlertTarget.alert_id == Alert.id, sa.or_(AlertTarget.prefecture_id == prefecture_id, named)
    )
    return target.exists()
