"""Subscriptions: our row of one, its first week, when it shall end or go on; the outbox asks Stripe until it agrees."""

from datetime import datetime, time, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.models.declaration import OPEN_DECLARATION, Declaration, DeclarationKind
from api.models.payment import Payment, Subscription
from api.models.stripe_event import CommandKind
from api.models.user import Grant
from api.payments.gateway.outbox import add_command, is_asked
from api.payments.ledger.stripe_ids import find_subscription_id, link_id
from api.payments.ledger.withdrawal_rules import REMEMBERED
from configs.ground.clock import clock

_WEEK = timedelta(days=7)  # the day on which it begins is the first one
_NAMED = "2026-11-29"  # the first version of the terms that names it
RENEWING = ("active", "trialing")  # Stripe's words
COLLECTED = (*RENEWING, "past_due")  # whose next month is asked for, or was
# Not paid, so that no plan follows from it once the days of grace are over; a payment that comes late may revive it.
LAPSING = ("past_due", "unpaid", "paused", "incomplete")


def find_earliest_end(session: Session, order: Payment | None, zone: ZoneInfo) -> datetime | None:
    """Return when a cancellation of an order's subscription takes effect at the earliest; None: at any time."""
    if order is None or order.paid_at is None or (order.terms_version or "") < _NAMED:
        return None
    return end_week(order.paid_at, zone) if begins_again(session, order.user_id, order.paid_at) else None


def begins_again(session: Session, user_id: UUID | None, at: datetime) -> bool:
    """Return whether another subscription of a user began within 90 days before this instant."""
    earlier = (
        sa.select(Payment.id)
        .join(Grant, Grant.payment_id == Payment.id)
        .where(Payment.user_id == user_id, Payment.subscription_id.is_not(None))
        .where(Payment.consented_at.is_not(None), Payment.paid_at < at, Payment.paid_at > at - REMEMBERED)
    )
    return session.scalar(earlier.limit(1)) is not None


def end_week(begins_at: datetime, zone: ZoneInfo) -> datetime:
    """Return the end of the seventh day of what begins at this instant."""
    after = begins_at.astimezone(zone).date() + _WEEK
    return datetime.combine(after, time(), zone).astimezone(ZoneInfo("UTC"))


def ensure_subscription(session: Session, order: Payment, stripe_id: str) -> Subscription:
    """Return the subscription that a locked order began, and write it where it is not known yet."""
    if known := find_subscription_id(session, stripe_id):
        subscription = session.get_one(Subscription, known)
    else:
        subscription = Subscription(
            user_id=order.user_id, plan=order.plan, status="incomplete", created_at=clock()
        )
        session.add(subscription)
        link_id(session, stripe_id, "subscription", subscription)
    if order.subscription_id is None:
        order.subscription_id = subscription.id
        session.flush()
    if subscription.user_id is None:  # its account is gone
        request_cancellation(session, subscription.id, clock())
    return subscription


def request_cancellation(session: Session, subscription_id: UUID, at: datetime) -> None:
    """Write that a subscription shall end at `at`; an earlier end that is wanted already stays."""
    row = _lock(session, subscription_id)
    if row.ended_at:
        return
    row.lapsed_at = None  # from now on it ends for another reason, also where it is paid after all
    if row.cancel_wanted_at is None or row.cancel_wanted_at > at:
        row.cancel_wanted_at = at
        add_command(session, CommandKind.END, row.id)
    session.flush()


def end_unpaid(session: Session, subscription_id: UUID, at: datetime) -> None:
    """Write that a subscription ends because its days of grace are over. A payment undoes it until Stripe agrees."""
    request_cancellation(session, subscription_id, at)
    session.get_one(Subscription, subscription_id).lapsed_at = at
    session.flush()


def take_back_cancellation(session: Session, subscription_id: UUID) -> None:
    """Write that a subscription goes on."""
    row = _lock(session, subscription_id)
    if not row.ended_at and row.cancel_wanted_at:
        row.cancel_wanted_at = row.lapsed_at = None
        add_command(session, CommandKind.END, row.id)
        session.flush()


def _lock(session: Session, subscription_id: UUID) -> Subscription:
    return session.get_one(Subscription, subscription_id, with_for_update=True, populate_existing=True)


def find_agreed_end(session: Session, row: Subscription) -> datetime | None:
    """Return the end that Stripe has set; None where there is none, and while it is asked for another or for none."""
    return None if row.cancel_at is None or is_asked(session, CommandKind.END, row.id) else row.cancel_at


def goes_on() -> sa.ColumnElement[bool]:
    """Return the condition that no end of a subscription is decided."""
    ends = (Subscription.cancel_at, Subscription.cancel_wanted_at, Subscription.ended_at)
    return sa.and_(*(each.is_(None) for each in ends))


def end_lapsed(session: Session, order: Payment, now: datetime) -> None:
    """End the lapsed subscriptions of an order's user: the order's plan replaces theirs, and only it is charged."""
    others = sa.select(Subscription.id).where(
        Subscription.user_id == order.user_id,
        Subscription.id.is_distinct_from(order.subscription_id),
        Subscription.status.in_(LAPSING),
        Subscription.ended_at.is_(None),
    )
    for each in session.scalars(others).all():
        request_cancellation(session, each, now)


def undo_notices(session: Session, subscription_id: UUID) -> None:
    """Undo what was declared to end a subscription and has not taken effect."""
    mine = sa.update(Declaration).where(
        is_open_notice(subscription_id), Declaration.takes_effect_at > clock()
    )
    session.execute(mine.values(undone_at=clock()))


def is_open_notice(subscription_id: UUID) -> sa.ColumnElement[bool]:
    """Return the condition that a declaration is a notice of cancellation that a subscription waits for."""
    is_notice = Declaration.kind == DeclarationKind.CANCELLATION
    return sa.and_(Declaration.subscription_id == subscription_id, is_notice, sa.text(OPEN_DECLARATION))


def select_open_notices(subscription_id: UUID) -> sa.Select[Declaration]:
    """Select the notices that a subscription waits for, the first to take effect first."""
    mine = sa.select(Declaration).where(is_open_notice(subscription_id))
    return mine.order_by(Declaration.takes_effect_at, Declaration.id)


def find_standing_notice(session: Session, subscription_id: UUID) -> Declaration | None:
    """Return the notice that ends a subscription first, of those that its owner made or confirmed."""
    confirmed = select_open_notices(subscription_id).where(Declaration.confirmed_at.is_not(None))
    return session.scalars(confirmed.limit(1)).one_or_none()


def find_order(session: Session, payment: Payment) -> Payment:
    """Return the order whose terms hold for a payment: for a renewal that of its subscription."""
    if payment.consented_at or payment.subscription_id is None:
        return payment
    return find_order_of(session, payment.subscription_id) or payment


def find_order_of(session: Session, subscription_id: UUID) -> Payment | None:
    """Return the order of a subscription: its other payments are renewals."""
    mine = sa.select(Payment).where(
        Payment.subscription_id == subscription_id, Payment.consented_at.is_not(None)
    )
    return session.scalars(mine.order_by(Payment.id).limit(1)).one_or_none()
