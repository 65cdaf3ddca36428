"""Messages about payments, written into the caller's transaction and nudged after its commit."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

import notifier
from api.accounts.service import announce, write_to_admins
from api.models.base import do_after_commit
from api.models.incident import IncidentReason
from api.models.payment import Payment, PaymentEvent, PaymentEventKind, Refund, StripeId, Subscription
from api.models.stripe_event import StripeEvent
from api.payments.ledger import list_credits
from configs.ground.clock import clock

_EFFECTS = "effects"  # key of a session's
_ALARMS = frozenset(
    {IncidentReason.FAILURES_RISING, IncidentReason.FRAUD_WARNING}
)  # the others wait for a look


def confirm_order(session: Session, payment: Payment) -> None:
    """Write the order mail, the confirmation of the contract; a renewal has none of its own."""
    user_id = payment.user_id if payment.consent else None
    params, key = {"payment": str(payment.id)}, f"order:{payment.id}"
    mails = _write(session, user_id, "order", params, key, priority="critical")
    get_effects(session).confirmations += mails


def tell_upgrade(session: Session, payment: Payment) -> None:
    """Write that an order ended a cheaper plan, and what was credited for it; nothing where it credited none."""
    user_id = payment.user_id if list_credits(session, payment) else None
    params, key = {"payment": str(payment.id)}, f"plan-upgraded:{payment.id}"
    nudge_later(session, _write(session, user_id, "plan_upgraded", params, key))


def tell_failure(session: Session, payment: Payment, day: str = "") -> None:
    """Write that a payment failed; `day` lets it be said again."""
    nudge_later(session, write_failure(session, payment, day))


def write_failure(session: Session, payment: Payment, day: str) -> list[UUID]:
    """Do the same; return the notifications to nudge."""
    params, key = {"payment": str(payment.id)}, f"payment-failed:{payment.id}:{day}"
    return _write(session, payment.user_id, "payment_failed", params, key)


def tell_refund(session: Session, payment: Payment, refund: Refund) -> None:
    """Write that money goes back, how much and why."""
    params, key = {"refund": str(refund.id)}, f"refunded:{refund.id}"
    nudge_later(session, _write(session, payment.user_id, "refunded", params, key))


def confirm_cancellation(
    session: Session, row: Subscription, ends: datetime, refund_cents: int, subject: str
) -> None:
    """Write the receipt of a subscription's end (L.215-1-1 Code de la consommation), once for each `subject`."""
    params = {"ends": ends.isoformat(), "refund": refund_cents, "plan": row.plan.value}
    nudge_later(session, _write(session, row.user_id, "cancelled", params, f"cancelled:{row.id}:{subject}"))


def _write(
    session: Session, user_id: UUID | None, kind: str, params: dict[str, Any], key: str, **how: Any
) -> list[UUID]:
    return notifier.create_notifications(session, user_id, kind, params, key, **how) if user_id else []


def tell_admins(session: Session, trouble: str, detail: str, *, key: str) -> None:
    """Write to SUPPORT_EMAIL, or to the admins where it is not set, about what needs a person; some are alarms.

    `trouble` is a word of the kind payment_trouble's texts; `detail` names ids and amounts, never a person.
    """
    nudge_later(session, _write_to_admins(session, trouble, detail, key))


def _write_to_admins(session: Session, trouble: str, detail: str, key: str) -> list[UUID]:
    params = {"trouble": trouble, "detail": detail[:1000]}
    alarm = IncidentReason(trouble) if trouble in _ALARMS else None
    return write_to_admins(session, "payment_trouble", params, f"payment-trouble:{key}", alarm)


@dataclass(slots=True)
class Effects:
    """Ids of rows that a transaction wrote or changed; what follows its commit."""

    confirmations: list[UUID] = field(default_factory=list)  # order mails, handed over before any alert
    mails: list[UUID] = field(default_factory=list)  # notifications to nudge
    alerts: list[UUID] = field(default_factory=list)  # alerts to catch up

    def run(self) -> None:
        """Deliver, nudge and catch up.

        The order mail comes first: the contract must be confirmed before the service begins (L.221-13 Code de la
        consommation). While no provider takes it, the alert goes out nevertheless.
        """
        if self.confirmations:
            notifier.deliver_here(self.confirmations)
        announce(self.mails, dict.fromkeys(self.alerts))


def get_effects(session: Session) -> Effects:
    """Return the effects of a session's transaction, which run after its commit."""
    if _EFFECTS not in session.info:
        made = session.info[_EFFECTS] = Effects()
        do_after_commit(session, made.run)
    known: Effects = session.info[_EFFECTS]
    return known


def nudge_later(session: Session, mails: Iterable[UUID]) -> None:
    """Nudge these notifications after the commit."""
    get_effects(session).mails += mails


# Cards are refused each day. Many at once mean that our account, a price or a page is wrong, or that someone tries
# stolen cards.
WINDOW, _USUAL = timedelta(hours=3), timedelta(days=14)
_LEAST = 5  # failures in a window that are worth a mail
_TIMES = 3  # as many as usual
_REFUSED = "payment_intent.payment_failed"  # Stripe sends it for each refused card, at renewals too


def tell_rising_failures(session: Session) -> list[UUID]:
    """Write to the admins where failures rise; return the notifications to nudge."""
    now = clock()
    recent = count_failures(session, now - WINDOW, now)
    usual = count_failures(session, now - _USUAL, now - WINDOW) / ((_USUAL - WINDOW) / WINDOW)
    if recent < _LEAST or recent <= _TIMES * usual:
        return []
    detail = (
        f"{recent} payments failed in the last 3 hours; usual: {usual:.1f}. "
        f"See /admin/evenements-stripe?type={_REFUSED} and /admin/paiements?status=FAILED"
    )
    return _write_to_admins(session, "failures_rising", detail, f"failures:{now:%Y-%m-%d}")


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
