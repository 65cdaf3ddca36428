"""What a payment's result changes: paid, failed or expired. Each applies once, in any order of the events."""

import json
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import structlog
from sqlalchemy.orm import Session

from api.alerts.schemas import NewAlert
from api.alerts.service import create_alert
from api.alerts.targets import build_targets
from api.errors import ApiError
from api.models.payment import Payment, PaymentEventKind, PaymentStatus, RefundReason
from api.payments import notices
from api.payments.effects import Effects
from api.payments.facts import Period
from api.payments.grants import end_paid_plan, give_paid_plan
from api.payments.ledger import add_event
from api.payments.refunds import plan_refund
from configs.clock import clock

_NOT_WATCHED = 422  # how POST /api/alerts refuses an alert whose desks no check can see

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class PaidFacts:
    """What Stripe says of a payment that was paid; `discount_cents` of all coupons and promotion codes together."""

    at: datetime
    amount_cents: int
    discount_cents: int = 0
    period: Period | None = None


def settle_paid(session: Session, payment: Payment, paid: PaidFacts) -> Effects:
    """Record that a locked payment was paid, and give the plan; its money goes back where that is not possible."""
    asked = payment.amount_cents
    _take_amount(payment, paid)
    if not add_event(session, payment, PaymentEventKind.PAID, paid.at, amount=paid.amount_cents):
        return Effects()
    effects = Effects()
    if payment.amount_cents not in (asked, asked - paid.discount_cents):
        effects.mails += notices.tell_admins(
            session,
            "amount_differs",
            f"payment {payment.id}: asked {asked}, paid {payment.amount_cents} cents",
            key=f"amount:{payment.id}",
        )
    if payment.status is not PaymentStatus.COMPLETED:  # the money went back before we heard that it came
        return effects
    if payment.user_id is None:
        effects.refunds += _give_all_back(session, payment, RefundReason.NO_ACCOUNT)
        return effects
    effects.add(_begin(session, payment, paid))
    return effects


def _begin(session: Session, payment: Payment, paid: PaidFacts) -> Effects:
    """Give the plan, create the alert that was ordered with it, and write the order mail."""
    now = clock()
    effects = give_paid_plan(session, payment, now, paid.period)
    if not _add_ordered_alert(session, payment, effects):
        effects.add(end_paid_plan(session, payment, now))
        effects.refunds += _give_all_back(session, payment, RefundReason.NOT_WATCHED)
        return effects
    effects.confirmations += notices.confirm_order(session, payment)
    effects.mails += notices.tell_upgrade(session, payment)
    return effects


def settle_failed(session: Session, payment: Payment, at: datetime, reason: str) -> Effects:
    """Record that a locked payment failed; its user is told."""
    if not add_event(session, payment, PaymentEventKind.FAILED, at, reason=reason):
        return Effects()
    if payment.status is not PaymentStatus.FAILED:  # it was paid after all
        return Effects()
    return Effects(mails=notices.tell_failure(session, payment))


def settle_expired(session: Session, payment: Payment, at: datetime) -> Effects:
    """Record that a locked payment's checkout was abandoned."""
    add_event(session, payment, PaymentEventKind.EXPIRED, at)
    return Effects()


def _take_amount(payment: Payment, paid: PaidFacts) -> None:
    """Stripe is right about money: what was paid may be less than the price, by a promotion code."""
    if payment.status in (PaymentStatus.PENDING, PaymentStatus.FAILED):
        payment.amount_cents = paid.amount_cents


def _give_all_back(session: Session, payment: Payment, reason: RefundReason) -> list[UUID]:
    left = payment.amount_cents - payment.refunded_cents
    return [plan_refund(session, payment, left, reason).id] if left else []


def _add_ordered_alert(session: Session, payment: Payment, effects: Effects) -> bool:
    """Create the alert that was ordered with the plan; False where its desks can no longer be watched."""
    if payment.alert_wish is None or payment.alert_id or payment.user_id is None:
        return True
    try:
        wish = NewAlert.model_validate_json(json.dumps(payment.alert_wish))
        with session.begin_nested():
            alert = create_alert(session, payment.user_id, wish, build_targets(wish))
            session.flush()
    except ApiError as refused:
        if refused.status == _NOT_WATCHED:
            return False
        log.warning("an ordered alert was not created", payment=str(payment.id), because=refused.word)
        return True
    payment.alert_id = alert.id
    effects.alerts.append(alert.id)
    return True
