"""Plans that end early, by a withdrawal or a cancellation: what is paid back, and what becomes of the credited plans.

Deadlines and declarations are the caller's (../declarations). On a withdrawal (L.221-18 Code de la consommation):
the service began at once at the user's express request, with the acknowledgement that the right ends with full
performance: then the part used up to the declaration is owed, and the rest goes back (L.221-25). Without that
request, or the notice of the right, everything goes back.
"""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from fractions import Fraction
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.alerts.unwatched import record_unwatched
from api.models.payment import Payment, PaymentEventKind, PaymentStatus, RefundReason, Subscription
from api.models.user import Grant
from api.payments.gateway.errors import WithdrawalRefused
from api.payments.ledger.book import post_end, post_revival, read_balances
from api.payments.ledger.grants import end_grace, end_paid_plan, measure_use, price_use, revive_rest
from api.payments.ledger.payment_events import add_event, has_event, has_plan, is_credited, lock_payment
from api.payments.ledger.refunds import plan_refund, plan_refunds, spread_refund
from api.payments.ledger.subscriptions import request_cancellation
from api.payments.ledger.withdrawal_rules import was_informed
from configs.ground.clock import clock


def withdraw(session: Session, payment_id: UUID, declared_at: datetime) -> int:
    """End an order's plan, which revives the cheaper plans that it credited, and plan the refund; return its cents.

    The refund is for the time left at the declaration, in proportion to the time bought, rounded up to the cent. The
    contract of a subscription is the order's with all its renewals: each of them ends and is refunded likewise.
    Where the user did not have the notice of the right by then, no part of the price is owed.

    Raises:
        WithdrawalRefused: it is no paid order, it was withdrawn before, or the plan was used whole.
    """
    payment = lock_payment(session, payment_id)
    _check(session, payment)
    unused, used_until = _measure_unused(session, payment, declared_at)
    end_paid_plan(session, payment, clock(), unused)
    total = _end_subscription(session, payment, used_until)
    back, kept = _measure_refund(session, payment, unused)
    total += back
    add_event(session, payment, PaymentEventKind.WITHDRAWN, declared_at, refund_cents=back)
    post_end(session, payment.id, f"withdrawal:{payment.id}", kept)
    if back:
        plan_refund(session, payment, back, RefundReason.WITHDRAWAL)
    post_revival(session, payment.id, "withdrawal", read_balances(session, payment.id).claims - kept)
    return total


def quote_withdrawal(session: Session, payment: Payment, declared_at: datetime) -> int:
    """Return the cents that `withdraw` would give back for an order and its renewals. It raises the same error."""
    _check(session, payment)
    unused, used_until = _measure_unused(session, payment, declared_at)
    renewals = quote_ends(session, _list_renewals(session, payment), used_until)
    return _measure_refund(session, payment, unused, renewals[payment.id])[0] + renewals.total()


def _check(session: Session, payment: Payment) -> None:
    if payment.consented_at is None:
        raise WithdrawalRefused(
            "renewal", "a renewal has no right to withdraw of its own: withdraw from the order"
        )
    if has_event(session, payment, PaymentEventKind.WITHDRAWN):
        raise WithdrawalRefused("withdrawn_before", "this order was withdrawn before")
    if not has_plan(session, payment, RefundReason.OUTAGE):
        raise WithdrawalRefused("money_back", "this order was not paid, or its money went back already")
    if is_credited(session, payment):
        raise WithdrawalRefused(
            "credited", "its time left went into a larger plan: withdraw from that order first"
        )


def _measure_unused(
    session: Session, payment: Payment, declared_at: datetime
) -> tuple[Fraction, datetime | None]:
    """Return the part of what an order bought for which nothing is owed, and until when its renewals' use is owed."""
    used, bought = measure_use(session, payment, declared_at)
    consent = payment.consent or {}
    if not (consent.get("startNow") and consent.get("acknowledgesLoss")):
        return Fraction(1), None
    ran = measure_use(session, payment, declared_at, served=True)[0]
    row = session.get(Subscription, payment.subscription_id) if payment.subscription_id else None
    goes_on = row and (row.ended_at is None or row.ended_at > declared_at)
    if bought and ran >= bought and not goes_on:  # a first month alone does not perform a subscription whole
        raise WithdrawalRefused("performed", "the plan was used whole, which ended the right to withdraw")
    if not was_informed(session, payment, declared_at):
        return Fraction(1), None
    return Fraction(bought - used, bought) if bought else Fraction(1), declared_at


def _measure_refund(
    session: Session, payment: Payment, unused: Fraction, by_renewals: int = 0
) -> tuple[int, int]:
    """Return the cents that go back as money, and those that stay; all else is time of the plans that were credited.

    So many of its own cents are still to go back `by_renewals`, whose price its outages lowered.
    """
    held = read_balances(session, payment.id)
    worth = math.ceil(held.worth * unused)
    kept = held.worth - worth
    credited = worth - math.ceil(payment.amount_cents * unused)
    left = max(held.claims - kept, 0)
    most = max(min(held.refundable, held.money - by_renewals), 0)
    return min(max(left - max(credited - held.passed_on, 0), 0), most), kept


def _end_subscription(session: Session, order: Payment, used_until: datetime | None) -> int:
    """End the subscription of a withdrawn order with its renewals; return the cents of those that go back.

    What was used of them by `used_until` is owed; None: nothing is.
    """
    if order.subscription_id is None:
        return 0
    total = 0
    request_cancellation(session, order.subscription_id, clock())
    end_grace(session, order.subscription_id, clock())
    for each in _list_renewals(session, order):
        renewal = lock_payment(session, each.id)
        kept = price_use(session, renewal, used_until) if used_until else 0
        end_paid_plan(session, renewal, clock(), Fraction(1))
        post_end(session, renewal.id, f"withdrawal:{renewal.id}", kept)
        back = read_balances(session, renewal.id).claims - kept
        planned = plan_refunds(session, renewal, back, RefundReason.WITHDRAWAL)
        total += sum(each.amount_cents for each in planned)
    return total


def _list_renewals(session: Session, order: Payment) -> Sequence[Payment]:
    if order.subscription_id is None:
        return ()
    mine = sa.select(Payment).where(
        Payment.subscription_id == order.subscription_id,
        Payment.id != order.id,
        Payment.status == PaymentStatus.COMPLETED,
    )
    return session.scalars(mine.order_by(Payment.id)).all()


def shorten_paid_time(session: Session, payment: Payment, ends: datetime) -> int:
    """End a locked payment's grants at `ends`, and plan the refund of the rest; return the cents that go back.

    What was paid by the credit of a cheaper plan goes back as time of that plan, where the money paid does not cover
    it.
    """
    if payment.user_id:
        record_unwatched(session, payment.user_id, clock())
    cause, kept = f"cancelled:{payment.id}:{ends.isoformat()}", price_use(session, payment, ends)
    mine = sa.select(Grant).where(Grant.payment_id == payment.id, Grant.ends_at > ends).with_for_update()
    for grant in session.scalars(mine):
        grant.ends_at = max(ends, grant.starts_at + timedelta(seconds=1))
    post_end(session, payment.id, cause, kept)
    rest = read_balances(session, payment.id).claims - kept
    back = sum(each.amount_cents for each in plan_refunds(session, payment, rest, RefundReason.CANCELLED))
    unpaid = rest - back
    revive_rest(session, payment, ends, unpaid)
    post_revival(session, payment.id, cause, unpaid)
    return back


def end_all_plans(session: Session, user_id: UUID, now: datetime) -> int:
    """End what a locked user has paid for, and renew nothing; return the cents that go back for the time left.

    The end of a larger plan may revive the one that it credited, which then ends too. None is left that would begin.
    """
    running = (
        sa.select(Payment.id)
        .join(Grant, Grant.payment_id == Payment.id)
        .where(Payment.user_id == user_id, Grant.ends_at > now, Payment.status == PaymentStatus.COMPLETED)
    )
    back, ended = 0, set[UUID]()
    while found := set(session.scalars(running.where(Payment.id.not_in(ended)))):
        back += sum(shorten_paid_time(session, lock_payment(session, each), now) for each in sorted(found))
        ended |= found
    session.execute(sa.delete(Grant).where(Grant.payment_id.in_(ended), Grant.starts_at >= now))
    goes_on = Subscription.user_id == user_id, Subscription.ended_at.is_(None)
    for subscription_id in session.scalars(sa.select(Subscription.id).where(*goes_on)).all():
        request_cancellation(session, subscription_id, now)
        end_grace(session, subscription_id, now)
    return back


def quote_ends(session: Session, payments: Iterable[Payment], ends: datetime | None) -> Counter[UUID]:
    """Return how many cents of which payment would go back now if the plans of these ended at `ends`.

    None: nothing of them is owed.
    """
    found: Counter[UUID] = Counter()
    for each in payments:
        used = price_use(session, each, ends) if ends else 0
        rest = read_balances(session, each.id).claims - used
        for source, part in spread_refund(session, each, rest, upgrades=False, promised=found):
            found[source.id] += part
    return found
