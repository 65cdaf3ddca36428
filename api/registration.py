"""A new account: the rows, and the mail that proves the address."""

from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

import notifier
from api.entitlement import entitlement
from api.models.base import new_id
from api.models.user import Channel, Contact, User
from api.schemas.account import Account, Registration
from configs.clock import clock

_MAILS_A_DAY = 3


def register(session: Session, wish: Registration, password_hash: str) -> list[UUID]:
    """Make the account, or leave a known one as it is; return the notifications to nudge after the commit.

    An address that is known but was never confirmed gets its mail again. Its password stays: a stranger who
    registers it once more must not choose it.
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
    return _ask_to_confirm(session, contact) if contact and contact.verified_at is None else []


def _add_contacts(session: Session, user_id: UUID, wish: Registration) -> None:
    session.add(Contact(user_id=user_id, channel=Channel.EMAIL, address=wish.email, enabled=True))
    if wish.phone:
        session.add(Contact(user_id=user_id, channel=Channel.SMS, address=wish.phone, enabled=False))
    session.flush()


def _ask_to_confirm(session: Session, contact: Contact) -> list[UUID]:
    now = clock()
    part = now.hour * _MAILS_A_DAY // 24
    key = f"verify_email:{contact.id}:{now:%Y-%m-%d}:{part}"
    return notifier.tell(
        session, contact.user_id, kind="verify_email", params={}, dedupe_key=key, priority="critical"
    )


def find_user(session: Session, email: str) -> User | None:
    """Return the user of that address, however it is capitalised."""
    return session.scalars(sa.select(User).where(_has_address(email.strip()))).one_or_none()


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
