"""Changes to accounts: registration with the mail that proves the address, and plans that are given."""

from datetime import datetime, timedelta
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

import notifier
from api.accounts.queries import has_address
from api.accounts.schemas import Registration
from api.models.base import new_id
from api.models.notification import Notification, State
from api.models.user import Channel, Contact, Grant, User
from configs.clock import clock
from configs.plan import PlanName

_MAILS_A_DAY = 3
_BETWEEN_MAILS = timedelta(minutes=5)


def register_account(session: Session, wish: Registration, password_hash: str) -> list[UUID]:
    """Create the account unless the address has one; return the notifications to nudge after the commit.

    A mail is sent in both cases: an unconfirmed address is asked to confirm, a confirmed one is reminded of its
    account. An existing account keeps its password: a stranger who registers the address must not set it.
    """
    made = session.scalar(
        insert(User)
        .values(id=new_id(), email=wish.email, password_hash=password_hash, wished_plan=wish.plan)
        .on_conflict_do_nothing()
        .returning(User.id)
    )
    if made:
        _add_contacts(session, made, wish)
    contact = session.scalars(
        sa.select(Contact).join(User).where(has_address(wish.email), Contact.channel == Channel.EMAIL)
    ).one_or_none()
    return _write_mail(session, contact) if contact else []


def _add_contacts(session: Session, user_id: UUID, wish: Registration) -> None:
    session.add(Contact(user_id=user_id, channel=Channel.EMAIL, address=wish.email, enabled=True))
    if wish.phone:
        session.add(Contact(user_id=user_id, channel=Channel.SMS, address=wish.phone, enabled=False))
    session.flush()


def _write_mail(session: Session, contact: Contact) -> list[UUID]:
    kind = "verify_email" if contact.verified_at is None else "account_exists"
    before, today, latest = _count_mails(session, contact, kind)
    if today >= _MAILS_A_DAY or (latest and latest > clock() - _BETWEEN_MAILS):
        return []
    # Two simultaneous requests get the same count, hence the same key, which is written once.
    key = f"{kind}:{contact.id}:{before}"
    return notifier.create_notifications(
        session, contact.user_id, kind=kind, params={}, dedupe_key=key, priority="critical"
    )


def _count_mails(session: Session, contact: Contact, kind: str) -> tuple[int, int, datetime | None]:
    """Return the number of mails; without the failed ones: the number within a day, and the time of the latest."""
    left = Notification.state != State.FAILED
    since = clock() - timedelta(days=1)
    query = sa.select(
        sa.func.count(),
        sa.func.count().filter(left, Notification.created_at > since),
        sa.func.max(Notification.created_at).filter(left),
    ).where(Notification.contact_id == contact.id, Notification.kind == kind)
    before, today, latest = session.execute(query).one()
    return before, today, latest


def give_plan(session: Session, user: User, name: PlanName, lasts: timedelta, source: str) -> Grant:
    """Give a user a plan; a grant of a running plan begins where that plan ends."""
    now = clock()
    session.execute(sa.select(User.id).where(User.id == user.id).with_for_update())
    running = session.scalar(
        sa.select(sa.func.max(Grant.ends_at)).where(
            Grant.user_id == user.id, Grant.plan == name, Grant.ends_at > now
        )
    )
    starts = running or now
    grant = Grant(user_id=user.id, plan=name, starts_at=starts, ends_at=starts + lasts, source=source)
    session.add(grant)
    return grant
