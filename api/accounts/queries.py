"""Reads of accounts: a user by address, and the account as its owner sees it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session, joinedload

from api.accounts.schemas import Account
from api.ground.errors import ApiError
from api.models.user import CONTACT_CHANNELS, Channel, Contact, Grant, User
from configs.ground.addresses import fold_address
from configs.ground.clock import clock
from configs.world.plan import Plan, PlanName, plan, plans, rank_plan


@dataclass(frozen=True, slots=True)
class Entitlement:
    """The best plan that covers a moment, and when it ends without a renewal (None: no plan)."""

    plan: Plan
    ends_at: datetime | None
    # Where no plan covers the moment: the one that begins next, if any.
    next_plan: PlanName | None = None
    next_starts_at: datetime | None = None


def find_entitlement(session: Session, user_id: UUID, moment: datetime) -> Entitlement:
    """Return the best plan that covers `moment` (UTC), or the plan NONE."""
    query = sa.select(Grant).where(Grant.user_id == user_id, Grant.ends_at > moment).order_by(Grant.starts_at)
    return _find_best(list(session.scalars(query)), moment)


def _find_best(grants: list[Grant], moment: datetime) -> Entitlement:
    covering = [grant.plan for grant in grants if grant.covers_moment(moment)]
    if not covering:
        following = next(iter(grants), None)
        if following is None:
            return Entitlement(plan(PlanName.NONE), None)
        return Entitlement(plan(PlanName.NONE), None, following.plan, following.starts_at)
    best = max(covering, key=rank_plan)
    return Entitlement(plan(best), _find_end((each for each in grants if each.plan is best), moment))


def _find_end(grants: Iterable[Grant], moment: datetime) -> datetime:
    """Return the end of a chain of adjoining grants: buying again extends the plan."""
    end = moment
    for grant in grants:
        if grant.starts_at <= end:
            end = max(end, grant.ends_at)
    return end


def list_plans_above(than: Plan) -> list[Plan]:
    """Return the plans that allow more alerts, cheapest first."""
    return [each for name, each in plans().items() if rank_plan(name) > rank_plan(than.name)]


def find_user(session: Session, email: str) -> User | None:
    """Return the user of that address, in any of its spellings."""
    return session.scalars(sa.select(User).where(has_address(email))).one_or_none()


def lock_user(session: Session, user_id: UUID) -> None:
    """Lock the user's row, so that two requests cannot both count and then both add."""
    session.execute(sa.select(User.id).where(User.id == user_id).with_for_update(key_share=True))


def find_suspension(session: Session, user_id: UUID) -> str | None:
    """Return why an operator suspended an account, as its owner reads it; None where it is not."""
    return session.scalar(sa.select(User.suspended_because).where(User.id == user_id))


def ensure_not_suspended(session: Session, user_id: UUID) -> None:
    """Refuse what a suspension stops: new and resumed alerts, orders. Call it once the user is locked.

    Raises:
        ApiError: 403.
    """
    if because := find_suspension(session, user_id):
        raise ApiError(403, "account-suspended", f"an operator suspended this account: {because}")


def find_former_user(session: Session, email: str) -> User | None:
    """Return the user whose account left this mailbox within the last days, and may be taken back by it."""
    left = sa.func.lower(Contact.former_address).in_([email.strip().lower(), fold_address(email)])
    return session.scalars(sa.select(User).join(Contact).where(left)).first()


def has_address(email: str) -> sa.ColumnElement[bool]:
    """Return the condition that a row of `users` has this address, in any of its spellings."""
    return User.email_folded == fold_address(email)


def find_mailbox(session: Session, user_id: UUID) -> Contact | None:
    """Return the contact of a user's e-mail address."""
    mine = sa.select(Contact).where(Contact.user_id == user_id, Contact.channel == Channel.EMAIL)
    return session.scalars(mine).one_or_none()


def lock_mailbox(session: Session, email: str) -> Contact | None:
    """Return the contact of an address, its user's row locked: mails are counted also where several requests arrive."""
    mine = sa.select(Contact).join(User).where(has_address(email), Contact.channel == Channel.EMAIL)
    return session.scalars(mine.with_for_update(of=User, key_share=True)).one_or_none()


def has_confirmed_mailbox(session: Session, user_id: UUID) -> bool:
    """Return whether a user has proven to read the mails to the account's address."""
    contact = find_mailbox(session, user_id)
    return contact is not None and contact.verified_at is not None


def find_pending_hash(session: Session, email: str) -> str | None:
    """Return the password hash of an account whose address is not confirmed yet, or None."""
    query = sa.select(User.password_hash).join(Contact)
    return session.scalar(
        query.where(has_address(email), Contact.channel == Channel.EMAIL, Contact.verified_at.is_(None))
    )


def index_contacts(contacts: Iterable[Contact]) -> dict[Channel, Contact]:
    """Return contacts by channel; of several devices one that is reached still, for they are switched together."""
    return {
        each.channel: each
        for each in sorted(contacts, key=lambda each: not (each.is_lost or each.is_ended_device))
    }


def read_flags(contacts: Mapping[Channel, Contact]) -> dict[str, bool]:
    """Return which channels are switched on, by the names that answers have; a chat or a browser must be linked."""
    typed = (Channel.EMAIL, Channel.SMS)
    on = {name for name, each in contacts.items() if each.enabled and (name in typed or each.is_linked)}
    return {f"notify_{channel.value}": channel in on for channel in CONTACT_CHANNELS}


def read_account(session: Session, user_id: UUID) -> Account:
    """Return the account as its owner sees it."""
    query = sa.select(User).where(User.id == user_id).options(joinedload(User.contacts))
    user = session.scalars(query).unique().one()
    contacts = index_contacts(user.contacts)
    email, sms, telegram = map(contacts.get, (Channel.EMAIL, Channel.SMS, Channel.TELEGRAM))
    held = find_entitlement(session, user.id, clock())
    return Account.of_row(
        user,
        email_verified=bool(email and email.verified_at),
        new_email=email.new_address if email else None,
        phone=sms.address if sms else None,
        phone_verified=bool(sms and sms.verified_at),
        new_phone=sms.new_address if sms else None,
        telegram_chat_id=bool(telegram and telegram.is_linked),
        plan=held.plan.name,
        plan_expires_at=held.ends_at,
        next_plan=held.next_plan,
        next_plan_starts_at=held.next_starts_at,
        totp_enabled=user.has_second_factor,
        **read_flags(contacts),
    )
