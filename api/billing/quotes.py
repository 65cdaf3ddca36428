"""Quotes: what a plan costs a user now, what is credited of a cheaper plan, and from when to when it runs.

Amounts are integer cents. A credit is the price times the time left by the time bought, rounded up to the cent.
"""

import calendar
import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.accounts.entitlement import find_entitlement
from api.errors import ApiError
from api.models.payment import Payment, PaymentStatus, Subscription
from api.models.user import Grant
from api.payments.book import read_balances
from api.payments.grants import find_plan_end, price_use
from api.payments.later_starts import find_later_orders_end, find_later_start
from api.payments.subscription_rows import RENEWING
from configs.plan import Plan, PlanName, plan

LEAST_CENTS = 50  # https://docs.stripe.com/currencies#minimum-and-maximum-charge-amounts
AFTER_WITHDRAWAL = "after-withdrawal"  # the refusal of a monthly plan
_RANK = {name: rank for rank, name in enumerate(PlanName)}
_OVER = (
    "canceled",
    "incomplete",
    "incomplete_expired",
)  # Stripe's words for a subscription that renews no more


@dataclass(frozen=True, slots=True)
class CreditedPlan:
    """The unused part of a payment's plan, which ends when the order is paid."""

    payment_id: UUID
    plan: PlanName
    amount_cents: int
    seconds: int  # time left


@dataclass(frozen=True, slots=True)
class Quote:
    """What an order would cost and give if it were paid now."""

    plan: Plan
    starts_at: datetime
    ends_at: datetime  # of a subscription: the end of its first month
    credits: tuple[CreditedPlan, ...] = ()
    left_over_cents: int = 0  # of the credit, what the price cannot take: LEAST_CENTS must be left to pay
    extends: bool = False
    begins_later: bool = False  # after a withdrawal: once its own time to withdraw is over

    @property
    def credit_cents(self) -> int:
        """What is taken off the price."""
        return sum(each.amount_cents for each in self.credits)

    @property
    def amount_cents(self) -> int:
        """What is left to pay."""
        return self.plan.price_cents - self.credit_cents


def build_quote(session: Session, user_id: UUID, name: PlanName, now: datetime) -> Quote:
    """Return what a plan costs this user at `now`.

    Raises:
        api.errors.ApiError: 409, a larger plan or a subscription runs, or a monthly plan follows a withdrawal; with the
            date from which the order makes sense.
    """
    wanted = plan(name)
    _refuse_pointless(session, user_id, wanted, now)
    if later_until := find_later_orders_end(session, user_id, now):
        return _build_later_quote(session, user_id, wanted, now, later_until)
    if wanted.duration_seconds is None:
        starts, ends = now, add_month(now)
    else:
        starts = find_plan_end(session, user_id, name, now)
        ends = starts + timedelta(seconds=wanted.duration_seconds)
    cheaper = _list_cheaper(session, user_id, name, now)
    unused = [_credit(session, payment, grants, now) for payment, grants in cheaper]
    fitting = _fit(unused, wanted.price_cents - LEAST_CENTS)
    left_over = sum(each.amount_cents for each in unused) - sum(each.amount_cents for each in fitting)
    return Quote(wanted, starts, ends, tuple(fitting), left_over, extends=starts > now)


def _build_later_quote(
    session: Session, user_id: UUID, wanted: Plan, now: datetime, later_until: datetime
) -> Quote:
    """Return the quote of an order after a withdrawal. It credits nothing: what runs goes on until its own end.

    A month whose first period begins weeks after its payment is nothing that Stripe sells.
    """
    if wanted.duration_seconds is None:
        detail = (
            f"after a withdrawal {wanted.name} can be ordered from {later_until:%Y-%m-%dT%H:%M:%SZ} on; "
            "URGENCE_24H and URGENCE_7J can be ordered now"
        )
        raise ApiError(409, AFTER_WITHDRAWAL, detail, available_from=later_until)
    starts = find_later_start(session, user_id, now)
    return Quote(wanted, starts, starts + timedelta(seconds=wanted.duration_seconds), begins_later=True)


def add_month(moment: datetime) -> datetime:
    """Return the same day of the next month, or its last day: so Stripe counts the periods of a subscription."""
    year, month = moment.year + moment.month // 12, moment.month % 12 + 1
    return moment.replace(year=year, month=month, day=min(moment.day, calendar.monthrange(year, month)[1]))


def _refuse_pointless(session: Session, user_id: UUID, wanted: Plan, now: datetime) -> None:
    held = find_entitlement(session, user_id, now)
    larger = _RANK[held.plan.name] > _RANK[wanted.name]
    if larger or (wanted.recurring and held.plan.name is wanted.name):
        raise _refuse(held.plan.name, held.ends_at)
    if wanted.recurring and (known := find_subscription(session, user_id)) and known.status in RENEWING:
        raise _refuse(known.plan, known.cancel_at or known.period_ends_at)


def _refuse(held: PlanName, until: datetime | None) -> ApiError:
    when = f"from {until:%Y-%m-%dT%H:%M:%SZ} on" if until else "once it has ended"
    return ApiError(409, "plan-held", f"{held} runs: this order makes sense {when}", available_from=until)


def find_subscription(session: Session, user_id: UUID) -> Subscription | None:
    """Return the user's subscription that has not ended."""
    mine = sa.select(Subscription).where(
        Subscription.user_id == user_id, Subscription.ended_at.is_(None), Subscription.status.not_in(_OVER)
    )
    return session.scalar(mine.order_by(Subscription.id.desc()).limit(1))


def _list_cheaper(
    session: Session, user_id: UUID, name: PlanName, now: datetime
) -> list[tuple[Payment, list[Grant]]]:
    """Return the payments whose plan is cheaper and not over, each with its grants, in their order."""
    cheaper = [each for each in PlanName if _RANK[each] < _RANK[name] and each is not PlanName.NONE]
    rows = session.execute(
        sa.select(Payment, Grant)
        .join(Grant, Grant.payment_id == Payment.id)
        .where(Grant.user_id == user_id, Grant.ends_at > now, Grant.plan.in_(cheaper))
        .where(Payment.status == PaymentStatus.COMPLETED, Payment.subscription_id.is_(None))
        .order_by(Grant.starts_at, Grant.id)
    )
    found: dict[UUID, tuple[Payment, list[Grant]]] = {}
    for payment, grant in rows:
        found.setdefault(payment.id, (payment, []))[1].append(grant)
    return list(found.values())


def _credit(session: Session, payment: Payment, grants: list[Grant], now: datetime) -> CreditedPlan:
    left = math.floor(sum((each.ends_at - max(each.starts_at, now)).total_seconds() for each in grants))
    unused = read_balances(session, payment.id).claims - price_use(session, payment, now)
    return CreditedPlan(payment.id, payment.plan, max(unused, 0), max(left, 1))


def _fit(unused: list[CreditedPlan], room_cents: int) -> list[CreditedPlan]:
    """Return the credits, the first ones whole, as far as the price takes them. All these plans end."""
    fitting = []
    for each in unused:
        amount = min(each.amount_cents, room_cents)
        room_cents -= amount
        fitting.append(CreditedPlan(each.payment_id, each.plan, amount, each.seconds))
    return fitting
