"""Messages about payments, written into the caller's transaction."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

import notifier
from api.accounts.service import write_to_admins
from api.alerts.unwatched import Hole
from api.ground.messages import get_effects, write_message
from api.models.incident import IncidentReason
from api.models.invoice import Invoice
from api.models.organisation import Member, MemberRole
from api.models.payment import (
    Payment,
    PaymentEvent,
    PaymentEventKind,
    Refund,
    RefundStatus,
    StripeId,
    Subscription,
)
from api.models.stripe_event import StripeEvent
from api.payments.ledger.payment_events import list_credits, read_asked
from api.payments.ledger.subscriptions import find_standing_notice
from configs.ground.clock import clock

_ALARMS = frozenset(
    {IncidentReason.FAILURES_RISING, IncidentReason.FRAUD_WARNING, IncidentReason.REFUND_BLOCKED}
)  # the others wait for a look
# What becomes of a refund that could not leave, for the texts of the kind refunded. TRANSFERRED: it left another way.
AGAIN, BY_HAND, DISPUTED, DROPPED, TRANSFERRED = "again", "by_hand", "disputed", "dropped", "transferred"
# Cards are refused each day. Many at once mean that our account, a price or a page is wrong, or that someone tries
# stolen cards.
WINDOW, _USUAL = timedelta(hours=3), timedelta(days=14)
_LEAST = 5  # failures in a window that are worth a mail
_TIMES = 3  # as many as usual
_REFUSED = "payment_intent.payment_failed"  # Stripe sends it for each refused card, at renewals too


def confirm_order(session: Session, payment: Payment) -> None:
    """Write the order mail, the confirmation of the contract; a renewal has none of its own."""
    if payment.user_id and payment.consent:
        credited = sum(each.amount_cents for each in list_credits(session, payment))
        params = {"payment": str(payment.id), "price": read_asked(session, payment) + credited}
        get_effects(session).confirmations += notifier.create_notifications(
            session, payment.user_id, "order", params, f"order:{payment.id}", priority="critical"
        )


def tell_upgrade(session: Session, payment: Payment) -> None:
    """Write that an order ended a cheaper plan, and what was credited for it; nothing where it credited none."""
    if list_credits(session, payment):
        params, key = {"payment": str(payment.id)}, f"plan-upgraded:{payment.id}"
        _write(session, payment.user_id, "plan_upgraded", params, key)


def tell_failure(session: Session, payment: Payment, day: str = "") -> None:
    """Write that a payment failed; `day` lets it be said again."""
    params, key = {"payment": str(payment.id)}, f"payment-failed:{payment.id}:{day}"
    _write(session, payment.user_id, "payment_failed", params, key)


def tell_unpaid_end(session: Session, row: Subscription) -> None:
    """Write that a subscription is over because it was not paid: Stripe agreed, and charges nothing any more."""
    newest = sa.select(Payment).where(Payment.subscription_id == row.id).order_by(Payment.id.desc())
    if payment := session.scalars(newest.limit(1)).one_or_none():
        params = {"payment": str(payment.id), "over": True}
        _write(session, row.user_id, "payment_failed", params, f"payment-failed:{payment.id}:over")


def tell_late_payment(session: Session, payment: Payment, lost: Hole, renews: bool) -> None:
    """Write that a month was paid after its days of grace: it runs to its end, or that of a notice (`until`)."""
    lost_time = {"begins": lost.starts_at.isoformat(), "ends": lost.ends_at.isoformat()}
    notice = find_standing_notice(session, payment.subscription_id) if payment.subscription_id else None
    until = notice.takes_effect_at.isoformat() if notice and notice.takes_effect_at else None
    params = {"payment": str(payment.id), "renews": renews, "until": until, **lost_time}
    _write(session, payment.user_id, "paid_late", params, f"paid-late:{payment.id}")


def tell_refund(
    session: Session, payment: Payment, refund: Refund, state: str, cents: int | None = None
) -> None:
    """Write that money arrived or was transferred; or, once for each debt, that it is not there yet and what follows.

    `state` is a refund's status, or a word of this file.
    """
    params = {"refund": str(refund.id), "state": state, "cents": cents or refund.amount_cents}
    debt = f"{payment.id}:{refund.debt_began_at.isoformat()}:{state}"
    subject = refund.id if state in (RefundStatus.SUCCEEDED, TRANSFERRED) else debt
    _write(session, payment.user_id, "refunded", params, f"refunded:{subject}")
    bill = sa.select(Member.user_id, Invoice.number).join(
        Payment, Payment.organisation_id == Member.organisation_id
    )
    bill = bill.join(Invoice, Invoice.payment_id == Payment.id).where(Payment.id == payment.id)
    is_owner = Member.role == MemberRole.OWNER
    for owner, number in session.execute(bill.where(is_owner, Invoice.corrects_id.is_(None))).all():
        _write(session, owner, "refunded", params | {"order": number}, f"refunded:{subject}:{owner}")


def write_end_receipt(
    session: Session, row: Subscription, ends: datetime, refund_cents: int, subject: str
) -> None:
    """Write the receipt of a subscription's end (L.215-1-1 Code de la consommation), once for each `subject`."""
    params = {"ends": ends.isoformat(), "refund": refund_cents, "plan": row.plan.value}
    _write(session, row.user_id, "cancelled", params, f"cancelled:{row.id}:{subject}")


def _write(session: Session, user_id: UUID | None, kind: str, params: dict[str, Any], key: str) -> None:
    if user_id:  # the account is not deleted
        write_message(session, user_id, kind, params, key)


def tell_admins(session: Session, trouble: str, detail: str, *, key: str) -> None:
    """Write to SUPPORT_EMAIL, or to the admins where it is not set, about what needs a person; some are alarms.

    `trouble` is a word of the kind payment_trouble's texts; `detail` names ids and amounts, never a person.
    """
    params = {"trouble": trouble, "detail": detail[:1000]}
    alarm = IncidentReason(trouble) if trouble in _ALARMS else None
    write_to_admins(session, "payment_trouble", params, f"payment-trouble:{key}", alarm)


def tell_rising_failures(session: Session) -> None:
    """Write to the admins where failures rise."""
    now = clock()
    recent = count_failures(session, now - WINDOW, now)
    usual = count_failures(session, now - _USUAL, now - WINDOW) / ((_USUAL - WINDOW) / WINDOW)
    if recent < _LEAST or recent <= _TIMES * usual:
        return
    detail = (
        f"{recent} payments failed in the last 3 hours; usual: {usual:.1f}. "
        f"See /admin/evenements-stripe?type={_REFUSED} and /admin/paiements?status=FAILED"
    )
    tell_admins(session, "failures_rising", detail, key=f"failures:{now:%Y-%m-%d}")


def count_failures(session: Session, after: datetime, until: datetime) -> int:
    """Count the payments whose card was refused, and the orders that Stripe did not take."""
    refused = (
        sa.select(sa.func.count(StripeEvent.object_id.distinct()))
        .join(StripeId, StripeId.id == StripeEvent.object_id)  # the same account may sell other things
        .where(
            StripeEvent.type == _REFUSED, StripeEvent.received_at > after, StripeEvent.received_at <= until
        )
    )
    has_intent = sa.exists().where(StripeId.payment_id == Payment.id, StripeId.kind == "payment_intent")
    at = PaymentEvent.recorded_at
    never_taken = (
        sa.select(sa.func.count(Payment.id))
        .join(PaymentEvent, PaymentEvent.payment_id == Payment.id)
        .where(PaymentEvent.kind == PaymentEventKind.FAILED, at > after, at <= until, ~has_intent)
    )
    return session.scalars(refused).one() + session.scalars(never_taken).one()
