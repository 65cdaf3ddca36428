"""Reads of cancellations: a contract with the ends that may be chosen, and a notice with what it waits for."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.billing.quotes import find_subscription
from api.declarations.cancellation_dates import (
    end_day,
    find_period_end,
    find_unconfirmed_end,
    find_zone,
    list_days,
    quote_refund,
)
from api.declarations.cancellations import is_ending
from api.declarations.schemas import PERIOD_END
from api.models.declaration import Declaration, DeclarationKind
from api.models.payment import Payment, Subscription
from api.models.user import User
from api.payments.subscriptions import find_agreed_end, find_order_of, select_open_notices
from configs.ground.clock import clock
from configs.world.plan import PlanName


@dataclass(frozen=True, slots=True)
class EndChoice:
    """An end that may be wished: `wished` as the form sends it, the day, the instant, and the cents that go back."""

    wished: str
    day: date
    ends_at: datetime
    refund: int


@dataclass(frozen=True, slots=True)
class NoticeState:
    """A notice: when it ends the contract without another word, and whether it may be confirmed or undone."""

    row: Declaration
    ends_at: datetime
    can_undo: bool
    can_confirm: bool


@dataclass(frozen=True, slots=True)
class Contract:
    """A subscription that runs: its order, until when it is paid, the ends to choose from, and the first notice."""

    plan: PlanName
    number: str
    paid_until: datetime
    zone: ZoneInfo
    language: str
    choices: list[EndChoice]
    notice: NoticeState | None
    ends_at: datetime | None  # also where it was cancelled at Stripe

    def find_choice(self, wished: str | None) -> EndChoice | None:
        """Return the end that was wished; None where it is none of these."""
        return next((each for each in self.choices if each.wished == wished), None)


def read_own_contract(session: Session, user_id: UUID) -> Contract | None:
    """Return the user's subscription; None without one, and until its first period is known."""
    row = find_subscription(session, user_id)
    if row is None or row.period_ends_at is None:
        return None
    now, zone, order = clock(), find_zone(session, user_id), find_order_of(session, row.id)
    paid_until = find_period_end(session, row, now)
    notice = read_own_notice(session, user_id)
    known = row.cancel_wanted_at or find_agreed_end(session, row)
    return Contract(
        plan=row.plan,
        number=(order.order_number if order else None) or str(row.id),
        paid_until=paid_until,
        zone=zone,
        language=session.scalars(sa.select(User.language).where(User.id == user_id)).one(),
        choices=list(_list_choices(session, row, paid_until, zone)),
        notice=notice,
        ends_at=notice.ends_at if notice and notice.row.confirmed_at else known,
    )


def read_own_notice(session: Session, user_id: UUID) -> NoticeState | None:
    """Return the first notice that the user's subscription waits for."""
    row = find_subscription(session, user_id)
    first = session.scalars(select_open_notices(row.id).limit(1)).one_or_none() if row else None
    return read_notice(session, first.id) if first else None


def find_order_owner(session: Session, payment_id: UUID) -> UUID | None:
    """Return who placed the order of a subscription that runs; None where it is over, or the account is gone.

    The link of an old mail must not end a subscription that was ordered later.
    """
    order = session.get(Payment, payment_id)
    contract = find_subscription(session, order.user_id) if order and order.user_id else None
    return contract.user_id if order and contract and contract.id == order.subscription_id else None


def read_notice(session: Session, declaration_id: UUID) -> NoticeState | None:
    """Return a notice of cancellation; None where there is none."""
    row = session.get(Declaration, declaration_id)
    if row is None or row.kind is not DeclarationKind.CANCELLATION:
        return None
    contract = session.get(Subscription, row.subscription_id) if row.subscription_id else None
    ends_at = row.takes_effect_at or row.made_at
    if contract and row.is_open and row.confirmed_at is None:
        ends_at = find_unconfirmed_end(session, row, contract)
    at = row.takes_effect_at
    waits = bool(contract and row.is_open and at and at > clock() and not is_ending(contract))
    return NoticeState(row, ends_at, can_undo=waits, can_confirm=waits and row.confirmed_at is None)


def _list_choices(
    session: Session, row: Subscription, paid_until: datetime, zone: ZoneInfo
) -> Iterator[EndChoice]:
    """Yield the end of what is paid, then each day that ends before."""
    now = clock()
    last = max(paid_until, now)
    yield EndChoice(PERIOD_END, last.astimezone(zone).date(), last, 0)
    for day in list_days(now, zone):
        ends = end_day(day, zone)
        if now < paid_until and ends <= paid_until:
            yield EndChoice(day.isoformat(), day, ends, quote_refund(session, row, ends))
