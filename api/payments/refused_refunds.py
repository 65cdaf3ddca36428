"""Refunds that are owed and that Stripe refused: its dashboard had given back a part of the payment just before.

Until then our row claims that money, so the dashboard's refund cannot be recorded. Once it is, the rest is due.
"""

import sqlalchemy as sa
from sqlalchemy.orm import Session, aliased

from api.models.payment import (
    Payment,
    PaymentEventKind,
    Refund,
    RefundReason,
    RefundStatus,
    StripeId,
)
from api.payments.ledger import has_event
from api.payments.plan_credits import measure_refundable

_WISHED = (RefundReason.OPERATOR, RefundReason.EXTERNAL)  # by people, who see that it failed


def find_rest(session: Session, payment: Payment) -> tuple[int, RefundReason] | None:
    """Return the cents of a locked payment that are still owed, and why; as many as are left, None where none are."""
    refused = _find_refused(session, payment)
    left = measure_refundable(session, payment) if refused else 0
    return (min(refused.amount_cents, left), refused.reason) if refused and left else None


def _find_refused(session: Session, payment: Payment) -> Refund | None:
    """Return the last owed refund that Stripe never made, unless a later one repeats it."""
    if has_event(session, payment, PaymentEventKind.DISPUTE_LOST):
        return None
    later = aliased(Refund)
    repeated = sa.exists().where(
        later.payment_id == Refund.payment_id,
        later.reason == Refund.reason,
        later.id > Refund.id,
        later.status != RefundStatus.FAILED,
    )
    made = sa.exists().where(StripeId.refund_id == Refund.id)
    mine = (Refund.payment_id == payment.id, Refund.status == RefundStatus.FAILED, ~made, ~repeated)
    owed = sa.select(Refund).where(*mine, Refund.reason.not_in(_WISHED))
    return session.scalars(owed.order_by(Refund.id.desc()).limit(1)).one_or_none()
