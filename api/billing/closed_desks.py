"""Alerts whose desks have closed for good while a paid plan runs: the mail that offers the choice, and the refund.

Where the user wants no other desk, the plan ends, for all alerts. What is paid back is the share of the price from the
closing to the end of the plan.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session, selectinload

import notifier
from api.alerts.service import get_owned, lock_user
from api.alerts.targets import find_watched_desks, get_prefecture_id
from api.alerts.unwatched import Hole, add_hole
from api.billing.schemas import ClosedDeskRefund
from api.errors import ApiError
from api.models.alert import Alert
from api.models.base import new_id
from api.models.base import session as open_session
from api.models.desk import Outage, OutageReason
from api.models.discovery import Drift
from api.models.payment import Payment, PaymentEventKind, PaymentStatus, RefundReason, Subscription
from api.models.user import Grant
from api.models.watch_credit import CreditForm, WatchCredit
from api.payments.book import read_balances
from api.payments.grants import end_paid_plan, price_use
from api.payments.ledger import add_event, lock_payment
from api.payments.notices import Effects, confirm_cancellation
from api.payments.postings import post_end, post_revival
from api.payments.refunds import plan_refund
from configs.ground.clock import clock

CLOSED = "closed desk"  # subject of the event by which a plan ends
Closed = Mapping[str, datetime]  # by id of the desk

_FOR_GOOD = timedelta(days=1)  # a page that closes for the night comes back


def tell_closed_desks(session: Session) -> list[UUID]:
    """Write the choice to users whose alert has had no open page for a day; return the notifications to nudge.

    An alert is told of once, while a paid plan runs.
    """
    now, told = clock(), []
    closed = _list_closed_desks(session, now)
    for alert in _list_paid_alerts(session, now):
        if _find_closing(alert, closed, now):
            params = {"prefecture": get_prefecture_id(alert.targets), "alert": str(alert.id)}
            key = f"desk-closed:{alert.id}"
            told += notifier.create_notifications(session, alert.user_id, "desk_closed_choice", params, key)
    return told


def _list_closed_desks(session: Session, now: datetime) -> Closed:
    """Return the desks whose page the prefecture closed or moved a day ago or longer, each with that instant."""
    closed = sa.select(Outage.desk_id, Outage.starts_at).where(
        Outage.reason == OutageReason.CLOSED, Outage.ends_at.is_(None), Outage.starts_at <= now - _FOR_GOOD
    )
    moved = sa.select(Drift.desk_id, Drift.starts_at).where(
        Drift.ends_at.is_(None), Drift.starts_at <= now - _FOR_GOOD
    )
    return {desk_id: at for query in (moved, closed) for desk_id, at in session.execute(query)}


def _find_closing(alert: Alert, closed: Closed, now: datetime) -> datetime | None:
    """Return when the last of an alert's pages closed; `now` where the desk files have none of them any more."""
    desks = [desk for desk in find_watched_desks(alert.targets) if desk.shows_slots]
    if not all(desk.id in closed for desk in desks):
        return None
    return max((closed[desk.id] for desk in desks), default=now)


def _list_paid_alerts(session: Session, now: datetime) -> list[Alert]:
    holders = (
        sa.select(Grant.user_id)
        .join(Payment, Payment.id == Grant.payment_id)
        .where(Grant.starts_at <= now, Grant.ends_at > now, Payment.status == PaymentStatus.COMPLETED)
    )
    waiting = sa.select(Alert).where(Alert.enabled, Alert.closed_at.is_(None), Alert.user_id.in_(holders))
    return list(session.scalars(waiting.order_by(Alert.id).options(selectinload(Alert.targets))))


@dataclass(frozen=True, slots=True)
class _Rest:
    """The unused time of a payment, what it earned before, and what goes back, in cents."""

    starts_at: datetime
    seconds: int
    kept: int
    cents: int


def quote_closed_desk(session: Session, user_id: UUID, alert_id: UUID) -> ClosedDeskRefund:
    """Return what `refund_closed_desk` would pay back now. It raises the same errors."""
    closed_at, payments = _find_refundable(session, user_id, alert_id)
    rests = [_measure_rest(session, each, closed_at) for each in payments]
    return ClosedDeskRefund(refund=sum(each.cents for each in rests), currency="eur")


def refund_closed_desk(user_id: UUID, alert_id: UUID) -> ClosedDeskRefund:
    """End the paid plans that run or are to begin, and plan the refund of their time since the desks closed.

    Raises:
        api.errors.ApiError: 404, it is not the user's open alert; 409, a desk of it is open, or no paid plan runs.
    """
    effects = Effects()
    with open_session() as s:
        lock_user(s, user_id)
        closed_at, payments = _find_refundable(s, user_id, alert_id)
        back = sum(_refund(s, each.id, closed_at, effects) for each in payments)
    effects.run()
    return ClosedDeskRefund(refund=back, currency="eur")


def _find_refundable(session: Session, user_id: UUID, alert_id: UUID) -> tuple[datetime, Sequence[Payment]]:
    now = clock()
    closed_at = _find_closing(get_owned(session, user_id, alert_id), _list_closed_desks(session, now), now)
    if closed_at is None:
        raise ApiError(409, "desk-open", "a desk of this alert is open, or closed less than a day ago")
    running = sa.select(Grant.payment_id).where(Grant.user_id == user_id, Grant.ends_at > now)
    paid = sa.select(Payment).where(Payment.id.in_(running), Payment.status == PaymentStatus.COMPLETED)
    payments = session.scalars(paid.order_by(Payment.id)).all()
    if not payments:
        detail = "no paid plan runs: GET /api/billing/history shows what went back"
        raise ApiError(409, "no-paid-plan", detail)
    return closed_at, payments


def _measure_rest(session: Session, payment: Payment, closed_at: datetime) -> _Rest:
    """Measure the time of a payment's plan from the closing on; what it gave back already is no more in the book."""
    grants = session.scalars(sa.select(Grant).where(Grant.payment_id == payment.id)).all()
    held, kept = read_balances(session, payment.id), price_use(session, payment, closed_at)
    starts = max(closed_at, min(each.starts_at for each in grants))
    seconds = round((max(each.ends_at for each in grants) - starts).total_seconds())
    return _Rest(starts, seconds, kept, max(min(held.claims - kept, held.refundable), 0))


def _refund(session: Session, payment_id: UUID, closed_at: datetime, effects: Effects) -> int:
    """End a payment's plan and plan its refund; return the cents. The time counts as given back from then on."""
    payment, now = lock_payment(session, payment_id), clock()
    rest = _measure_rest(session, payment, closed_at)
    add_hole(session, payment.id, Hole(rest.starts_at, now))
    post_end(session, payment.id, f"closed-desk:{payment.id}", rest.kept)
    refund = plan_refund(session, payment, rest.cents, RefundReason.NOT_WATCHED) if rest.cents else None
    unpaid = read_balances(session, payment.id).claims - rest.kept
    post_revival(session, payment.id, "closed-desk", unpaid)
    session.add(
        WatchCredit(
            id=new_id(),
            payment_id=payment.id,
            seconds=rest.seconds,
            form=CreditForm.REFUND,
            amount_cents=rest.cents,
            refund_id=refund.id if refund else None,
            created_at=now,
        )
    )
    add_event(session, payment, PaymentEventKind.PLAN_ENDED, now, subject=CLOSED)
    effects.add(end_paid_plan(session, payment, now))
    if payment.subscription_id:
        row = session.get_one(Subscription, payment.subscription_id)
        effects.mails += confirm_cancellation(session, row, now, rest.cents, subject="closed")
    return rest.cents
