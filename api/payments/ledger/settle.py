"""Results of payments: paid, failed or expired. Each applies once, in any order of the events."""

import json
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from fractions import Fraction
from typing import Any
from uuid import UUID

import sqlalchemy as sa
import structlog
from sqlalchemy.orm import Session

from api.accounts.queries import find_entitlement, find_suspension
from api.alerts.health_consent import note_ordered_consent
from api.alerts.plan_limits import add_paused_alert
from api.alerts.schemas import NewAlert
from api.alerts.service import create_alert
from api.alerts.unwatched import Hole, add_hole
from api.alerts.wishes import resolve_wish
from api.ground.errors import ApiError
from api.models.payment import (
    Payment,
    PaymentEventKind,
    PaymentStatus,
    PlanCredit,
    RefundReason,
    Subscription,
)
from api.models.user import Grant
from api.payments.gateway.facts import InvoiceFacts, Period
from api.payments.ledger import notices
from api.payments.ledger.book import post_bill_paid, post_paid, post_revival, post_waived, read_balances
from api.payments.ledger.early_ends import shorten_paid_time
from api.payments.ledger.grants import (
    GRACE_PERIOD,
    end_paid_plan,
    find_paid_end,
    give_grace,
    give_paid_plan,
    keep_paid,
)
from api.payments.ledger.payment_events import add_event, has_event, list_credits, lock_payment, read_asked
from api.payments.ledger.refunds import note_whole_refund, plan_refunds
from api.payments.ledger.stripe_ids import find_payment_id
from api.payments.ledger.subscriptions import RENEWING, end_lapsed, goes_on, request_cancellation
from api.payments.ledger.withdrawal_rules import was_overtaken_by_withdrawal
from configs.ground.clock import clock
from configs.world.plan import plan, rank_plan

_ROUNDED = timedelta(seconds=1)
_UNPAID = (PaymentStatus.PENDING, PaymentStatus.FAILED)
_NOT_WATCHED = 422  # how POST /api/alerts refuses an alert whose desks no check can see

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class PaidFacts:
    """Stripe's facts of a payment that was paid."""

    at: datetime
    amount_cents: int
    currency: str | None  # `eur`; another one does not count
    discount_cents: int | None  # all coupons and promotion codes together; None where the object does not say
    period: Period | None = None
    by_transfer: bool = False  # the money never was at Stripe


def settle_paid(session: Session, payment: Payment, paid: PaidFacts) -> None:
    """Record that a locked payment was paid, and give the plan; its money goes back where that is not possible.

    Money in another currency gives nothing: its cents are not those of the price. An operator gives it back.
    """
    if paid.currency != payment.currency:
        what = f"{paid.amount_cents} of {paid.currency or 'no currency'}, not counted as paid"
        detail = f"payment {payment.id}: {what}"
        notices.tell_admins(session, "currency_differs", detail, key=f"currency:{payment.id}")
        return
    asked = payment.amount_cents
    if not has_event(session, payment, PaymentEventKind.PAID):
        payment.amount_cents = paid.amount_cents  # less than the price, by a promotion code
    amounts: dict[str, Any] = {"amount": paid.amount_cents, "asked": asked, "discount": paid.discount_cents}
    is_new = add_event(session, payment, PaymentEventKind.PAID, paid.at, **amounts)
    _report_amount(session, payment, paid)
    if not is_new:
        return
    post_paid(session, payment, by_transfer=paid.by_transfer)
    reason = _find_reason_to_refuse(session, payment, paid)
    # The money may have gone back before we heard that it came.
    is_back = note_whole_refund(session, payment) or payment.status is not PaymentStatus.COMPLETED
    if not (is_back or reason):
        _begin(session, payment, paid)
        return
    if payment.subscription_id:
        request_cancellation(session, payment.subscription_id, clock())
    if reason and not is_back:
        plan_refunds(session, payment, read_balances(session, payment.id).claims, reason)


def settle_bill(
    session: Session, payment: Payment, cents: int, by: str, *, by_transfer: bool = False
) -> bool:
    """Record that so much came for a locked bill of an organisation, once for each `by`: a PaymentIntent, a transfer.

    What came beside what is due is not counted; the comparison with Stripe shows it. Return whether any was.
    """
    part = min(cents, read_balances(session, payment.id).due)
    is_new = post_bill_paid(session, payment.id, f"paid:{payment.id}:{by}", part, by_transfer=by_transfer)
    if is_new:
        _close_bill(session, payment, by)
    return is_new


def waive_bill(session: Session, payment: Payment, cents: int) -> None:
    """Record that so much of a locked bill is not due after all."""
    cause = f"waived:{payment.id}:{read_balances(session, payment.id).due}"
    payment.amount_cents -= cents
    post_waived(session, payment, cause, cents)
    _close_bill(session, payment, cause)


def _close_bill(session: Session, payment: Payment, by: str) -> None:
    """Add the event of a bill of which nothing is due: it was paid, also where all of it was waived."""
    if not read_balances(session, payment.id).due:
        add_event(session, payment, PaymentEventKind.PAID, clock(), by, amount=payment.amount_cents)
        note_whole_refund(session, payment)


def _report_amount(session: Session, payment: Payment, paid: PaidFacts) -> None:
    """Tell the admins where an amount differs from the price less its discount, which an event may tell later."""
    asked = read_asked(session, payment)
    if paid.discount_cents is not None and paid.amount_cents not in (asked, asked - paid.discount_cents):
        detail = f"payment {payment.id}: asked {asked}, paid {paid.amount_cents} cents"
        notices.tell_admins(session, "amount_differs", detail, key=f"amount:{payment.id}")


def _find_reason_to_refuse(session: Session, payment: Payment, paid: PaidFacts) -> RefundReason | None:
    """Return why the money of a paid order or renewal goes back at once; None where its plan can begin."""
    if payment.user_id is None:
        return RefundReason.NO_ACCOUNT
    if payment.consented_at and find_suspension(session, payment.user_id):  # its page at Checkout was open
        return RefundReason.NO_ACCOUNT
    if _is_overtaken(session, payment, clock()) or was_overtaken_by_withdrawal(session, payment, paid.at):
        return RefundReason.DUPLICATE
    wanted = find_wanted_end(session, payment)
    if payment.consented_at is None and paid.period and wanted and wanted <= paid.period.start:
        return RefundReason.CANCELLED
    return None


def find_wanted_end(session: Session, payment: Payment) -> datetime | None:
    """Return when a payment's subscription shall end, where that was decided; None where it only was not paid."""
    row = session.get(Subscription, payment.subscription_id) if payment.subscription_id else None
    return row.cancel_wanted_at if row and row.lapsed_at is None else None


def _begin(session: Session, payment: Payment, paid: PaidFacts) -> None:
    now = clock()
    wanted = find_wanted_end(session, payment)
    lost = _find_lost_time(session, payment, paid, min(wanted or now, now))
    give_paid_plan(session, payment, now, paid.period)
    if payment.consented_at:
        end_lapsed(session, payment, now)
    else:
        renews = keep_paid(session, payment)
        if lost:
            add_hole(session, payment.id, lost)
        if lost and wanted is None:
            notices.tell_late_payment(session, payment, lost, renews)
    if paid.period and wanted and wanted < paid.period.end:  # it was renewed while its user cancelled it
        shorten_paid_time(session, payment, wanted)
    if not _add_ordered_alert(session, payment):
        end_paid_plan(session, payment, now, Fraction(1))
        post_revival(session, payment.id, "unwatchable")
        rest = read_balances(session, payment.id).claims
        plan_refunds(session, payment, rest, RefundReason.NOT_WATCHED)
        return
    notices.confirm_order(session, payment)
    notices.tell_upgrade(session, payment)


def _find_lost_time(session: Session, payment: Payment, paid: PaidFacts, until: datetime) -> Hole | None:
    """Return the time of a renewal's period in which its plan did not run: it was collected after the days of grace."""
    if payment.consented_at or paid.period is None or payment.user_id is None:
        return None
    run = sa.select(sa.func.max(Grant.ends_at)).where(
        Grant.user_id == payment.user_id, Grant.plan == payment.plan, Grant.starts_at <= paid.period.start
    )
    bridged = paid.period.start + GRACE_PERIOD
    starts = max(session.scalar(run) or bridged, bridged)
    ends = min(until, paid.period.end)
    return Hole(starts, ends) if ends > starts else None


def settle_failed(session: Session, payment: Payment, at: datetime, reason: str) -> None:
    """Record that a locked payment failed, and write to its user, unless it was paid after all."""
    is_new = add_event(session, payment, PaymentEventKind.FAILED, at, reason=reason)
    if is_new and payment.status is PaymentStatus.FAILED:
        notices.tell_failure(session, payment)


def bridge_renewal(session: Session, payment: Payment, facts: InvoiceFacts) -> None:
    """Let the plan go on for some days until a renewal is paid; once it is refused, tell the user each day.

    Stripe collects a renewal about an hour after the period began: without this no alert would go out meanwhile.
    """
    if payment.status not in _UNPAID or payment.user_id is None:
        return
    now = clock()
    payment.amount_cents = facts.amount_due
    end = find_paid_end(session, payment.subscription_id) if payment.subscription_id else None
    if facts.is_refused_renewal:
        add_event(session, payment, PaymentEventKind.FAILED, now, reason="renewal refused")
        if end and now < end + GRACE_PERIOD:  # afterwards another mail says how it ended
            notices.tell_failure(session, payment, f"{now:%Y-%m-%d}")
    wanted = find_wanted_end(session, payment)
    if end and not (wanted and wanted <= end):
        give_grace(session, payment, end)


def give_up_draft(session: Session, invoice_id: str) -> None:
    """End what a renewal's draft began: its subscription was cancelled, and it is not collected any more."""
    known = find_payment_id(session, invoice_id)
    if known is None:
        return
    payment = lock_payment(session, known)
    payment.synced_at = clock()
    add_event(session, payment, PaymentEventKind.EXPIRED, clock())
    if payment.status in _UNPAID:
        end_paid_plan(session, payment, clock(), Fraction(1))


def _add_ordered_alert(session: Session, payment: Payment) -> bool:
    """Create the alert that was ordered with the plan; False where its desks can no longer be watched: it waits."""
    if payment.alert_wish is None or payment.alert_id or payment.user_id is None:
        return True
    wish = NewAlert.model_validate_json(json.dumps(payment.alert_wish))
    try:
        found = resolve_wish(session, wish)
        found.check(is_sold=True)
        with session.begin_nested():
            alert = create_alert(session, payment.user_id, found, needs_plan=not payment.begins_later)
            note_ordered_consent(alert, payment.consented_at or payment.created_at)
            session.flush()
    except ApiError as refused:
        if refused.status == _NOT_WATCHED:
            _keep_waiting(session, payment, payment.user_id, wish)
            return False
        log.warning("an ordered alert is paused", payment=str(payment.id), because=refused.word)
        alert = add_paused_alert(session, payment.user_id, resolve_wish(session, wish))
        note_ordered_consent(alert, payment.consented_at or payment.created_at)
    payment.alert_id, payment.alert_wish = alert.id, None  # what a person waits for is not kept with accounts
    return True


def _keep_waiting(session: Session, payment: Payment, user_id: UUID, wish: NewAlert) -> None:
    """Keep the alert of an order whose money goes back, as one that waits for its desks."""
    waiting = wish.model_copy(update={"accept_waiting": True})
    with suppress(ApiError), session.begin_nested():
        alert = create_alert(session, user_id, resolve_wish(session, waiting))
        note_ordered_consent(alert, payment.consented_at or payment.created_at)
        payment.alert_id, payment.alert_wish = alert.id, None


def _is_overtaken(session: Session, order: Payment, now: datetime) -> bool:
    """Return whether the plan of a locked order must not begin: a larger one runs, or its credit is spent.

    Checkout ends pages that must not be paid beside a new one. Two that are paid in the same moment meet here.
    """
    if order.user_id is None or order.consented_at is None:
        return False
    held = find_entitlement(session, order.user_id, now).plan.name
    if rank_plan(held) > rank_plan(order.plan):
        return True
    if plan(order.plan).recurring and _has_other_subscription(session, order, now):
        return True
    return any(_is_spent(session, order, each, now) for each in list_credits(session, order))


def _has_other_subscription(session: Session, order: Payment, now: datetime) -> bool:
    others = sa.select(Subscription.id).where(
        Subscription.user_id == order.user_id, Subscription.id != order.subscription_id
    )
    renews = others.where(Subscription.status.in_(RENEWING), goes_on())
    runs = (
        sa.select(Grant.id)
        .join(Payment, Payment.id == Grant.payment_id)
        .where(Payment.subscription_id.in_(others), Grant.ends_at > now)
    )
    return session.scalar(renews.limit(1)) is not None or session.scalar(runs.limit(1)) is not None


def _is_spent(session: Session, order: Payment, credit: PlanCredit, now: datetime) -> bool:
    cheaper = lock_payment(session, credit.credited_payment_id)
    if cheaper.status is not PaymentStatus.COMPLETED:
        return True
    if credit.amount_cents > read_balances(session, cheaper.id).claims:
        return True
    mine = sa.select(Grant).where(Grant.payment_id == cheaper.id, Grant.ends_at > now)
    left = sum((each.ends_at - max(each.starts_at, now) for each in session.scalars(mine)), timedelta())
    return left + (now - order.created_at) + _ROUNDED < timedelta(seconds=credit.seconds)
