"""A new account: the rows, and the mail that proves the address."""

from datetime import datetime, timedelta
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

import notifier
from api.entitlement import entitlement
from api.models.base import new_id
from api.models.notification import Notification, State
from api.models.user import Channel, Contact, User
from api.schemas.account import Account, Registration
from configs.clock import clock
from configs.contact_addresses import fold_address

_MAILS_A_DAY = 3
_BETWEEN_MAILS = timedelta(minutes=5)


def register(session: Session, wish: Registration, password_hash: str) -> list[UUID]:
    """Make the account, or leave a known one as it is; return the notifications to nudge after the commit.

    A mail follows in any case, so that neither the answer nor its owner is left to guess: an address that was
    never confirmed is asked (again) to be, a confirmed one learns that it has its account. The password of a known
    one stays: a stranger who registers it once more must not choose it.
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
        sa.select(Contact).join(User).where(_has_address(wish.email), Contact.channel == Channel.EMAIL)
    ).one_or_none()
    return _mail(session, contact) if contact else []


def _add_contacts(session: Session, user_id: UUID, wish: Registration) -> None:
    session.add(Contact(user_id=user_id, channel=Channel.EMAIL, address=wish.email, enabled=True))
    if wish.phone:
        session.add(Contact(user_id=user_id, channel=Channel.SMS, address=wish.phone, enabled=False))
    session.flush()


def _mail(session: Session, contact: Contact) -> list[UUID]:
    kind = "verify_email" if contact.verified_at is None else "account_exists"
    before, today, latest = _mails_before(session, contact, kind)
    if today >= _MAILS_A_DAY or (latest and latest > clock() - _BETWEEN_MAILS):
        return []
    # two requests at once count alike, and one key is written once
    key = f"{kind}:{contact.id}:{before}"
    return notifier.create_notifications(
        session, contact.user_id, kind=kind, params={}, dedupe_key=key, priority="critical"
    )


def _mails_before(session: Session, contact: Contact, kind: str) -> tuple[int, int, datetime | None]:
    """Return how many there are, and of those that did not fail: how many in a day, and when the last was written."""
    left = Notification.state != State.FAILED
    since = clock() - timedelta(days=1)
    query = sa.select(
        sa.func.count(),
        sa.func.count().filter(left, Notification.created_at > since),
        sa.func.max(Notification.created_at).filter(left),
    ).where(Notification.contact_id == contact.id, Notification.kind == kind)
    before, today, latest = session.execute(query).one()
    return before, today, latest


def find_user(session: Session, email: str) -> User | None:
    """Return the user of that address, however it is capitalised.

    The database's index folds more letters than `fold_address` (`İ` to `i`), by which guesses are counted: an address
    that it alone finds is another one, or guesses at an account would be counted apart for each way to write it.
    """
    user = session.scalars(sa.select(User).where(_has_address(email.strip()))).one_or_none()
    return user if user and fold_address(user.email) == fold_address(email) else None


def _has_address(email: str) -> sa.ColumnElement[bool]:
    # both sides by the database: Python folds a few letters differently, and the index is the database's
    return sa.func.lower(User.email) == sa.func.lower(email)


def account_of(session: Session, user: User) -> Account:
    """Return what the user sees of the account."""
    rows = session.scalars(sa.select(Contact).where(Contact.user_id == user.id))
    contacts = {contact.channel: contact for contact in rows}
    email, sms, telegram = (
        contacts.get(channel) for channel in (Channel.EMAIL, Channel.SMS, Channel.TELEGRAM)
    )
    held = entitlement(session, user.id, clock())
    return Account(
        id=user.id,
        email=user.email,
        email_verified=bool(email and email.verified_at),
        phone=sms.address if sms else None,
        telegram_chat_id=bool(telegram and telegram.verified_at),
        plan=held.plan.name,
        plan_expires_at=held.ends_at,
        wished_plan=user.wished_plan,
        notify_email=bool(email and email.enabled),
        notify_sms=bool(sms and sms.enabled),
        notify_telegram=bool(telegram and telegram.enabled),
        language=user.language,
        time_zone=user.time_zone,
        created_at=user.created_at,
    )
