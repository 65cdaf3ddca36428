"""Changes to accounts: registration with the mail that proves the address, and plans that are given."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from api.accounts.consents import give_consent
from api.accounts.mails import count_mails, write_mail
from api.accounts.queries import has_address
from api.accounts.schemas import RegistrationForm
from api.errors import ApiError
from api.models.base import new_id
from api.models.login import PendingRegistration
from api.models.user import Channel, Contact, Grant, User
from configs.ground.clock import clock
from configs.ground.contact_addresses import fold_address
from configs.world.plan import PlanName, plan

_MONTH = timedelta(days=30)
_LONGEST = timedelta(days=100 * 365)  # of grants one behind the other


def register_account(
    session: Session,
    wish: RegistrationForm,
    password_hash: str,
    alert_wish: dict[str, Any] | None = None,
    registration_id: UUID | None = None,
) -> list[UUID]:
    """Create the account unless the address has one; return the notifications to nudge after the commit.

    A mail is sent in both cases: an unconfirmed address is asked to confirm, a confirmed one is reminded of its
    account. Each registration of an unconfirmed address is kept: the account is made of the one whose mail is
    confirmed, and a stranger who registers the address first does not keep it.
    """
    made = session.scalar(
        insert(User)
        .values(
            id=new_id(),
            email=wish.email,
            email_folded=fold_address(wish.email),
            password_hash=password_hash,
            wished_plan=wish.plan,
            language=wish.language or "fr",
        )
        .on_conflict_do_nothing()
        .returning(User.id)
    )
    if made:
        _add_mailbox(session, made, wish.email)
    # The lock lets the mails be counted, also where several registrations arrive at once.
    contact = session.scalars(
        sa.select(Contact)
        .join(User)
        .where(has_address(wish.email), Contact.channel == Channel.EMAIL)
        .with_for_update(of=User, key_share=True)
    ).one_or_none()
    if contact is None:
        return []
    if contact.verified_at is None:
        kept = PendingRegistration(
            id=registration_id or new_id(),
            user_id=contact.user_id,
            password_hash=password_hash,
            wished_plan=wish.plan,
            language=wish.language or "fr",
            phone=wish.phone,
            alert_wish=alert_wish,
            created_at=clock(),
        )
        return _keep_registration(session, contact, kept)
    mails = count_mails(session, contact, "account_exists")
    return write_mail(session, contact, "account_exists", mails, {}) if mails.may_repeat else []


def _add_mailbox(session: Session, user_id: UUID, email: str) -> None:
    mailbox = Contact(user_id=user_id, channel=Channel.EMAIL, address=email, enabled=True)
    give_consent(mailbox, "registration")
    session.add(mailbox)
    session.flush()


def _keep_registration(session: Session, contact: Contact, kept: PendingRegistration) -> list[UUID]:
    """Keep a registration and write its mail. The same password again is the same registration again."""
    mails = count_mails(session, contact, "verify_email")
    mine = PendingRegistration.user_id == contact.user_id
    same = session.scalars(
        sa.select(PendingRegistration).where(mine, PendingRegistration.password_hash == kept.password_hash)
    ).first()
    if same:
        params = {"registration": str(same.id)}
        return write_mail(session, contact, "verify_email", mails, params) if mails.may_repeat else []
    if mails.may_follow:
        session.add(kept)
        return write_mail(session, contact, "verify_email", mails, {"registration": str(kept.id)})
    # It gets no mail: it only tells that an earlier mail may be about someone else's registration.
    session.execute(sa.delete(PendingRegistration).where(mine, PendingRegistration.password_hash.is_(None)))
    session.add(PendingRegistration(id=kept.id, user_id=kept.user_id, created_at=kept.created_at))
    return []


def choose_length(name: PlanName, days: int | None) -> timedelta:
    """Return how long a plan given by hand lasts: these days, or as long as it is sold, a subscription a month."""
    usual = plan(name).duration_seconds
    return timedelta(days=days) if days else timedelta(seconds=usual) if usual else _MONTH


def give_plan(session: Session, user: User, name: PlanName, lasts: timedelta, source: str) -> Grant:
    """Give a user a plan; a grant of a running plan begins where that plan ends.

    Raises:
        api.errors.ApiError: 409, the plan runs for _LONGEST then, which nobody means.
    """
    now = clock()
    session.execute(sa.select(User.id).where(User.id == user.id).with_for_update(key_share=True))
    running = session.scalar(
        sa.select(sa.func.max(Grant.ends_at)).where(
            Grant.user_id == user.id, Grant.plan == name, Grant.ends_at > now
        )
    )
    starts = running or now
    if starts - now + lasts > _LONGEST:
        raise ApiError(
            409, "grant-too-long", f"{name} would run until after {(now + _LONGEST).year}: end a grant first"
        )
    grant = Grant(user_id=user.id, plan=name, starts_at=starts, ends_at=starts + lasts, source=source)
    session.add(grant)
    return grant
