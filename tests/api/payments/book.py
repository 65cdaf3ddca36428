"""The book against Stripe's stand-in: the cash of each payment, after whatever a test did."""

import sqlalchemy as sa

from api.models.base import session
from api.models.payment import Payment, Refund, RefundStatus, StripeId
from api.payments.book import read_balances
from deploy.sandbox.control_client import StripeControl
from tests.api.payments.shop import list_open_events


def check_book(control: StripeControl) -> None:
    """Compare the book with the stand-in's ledger, unless a test left events or refunds unheard."""
    if control.take_deliveries() or list_open_events():
        return
    for line in control.ledger():
        with session() as s:
            named = sa.select(Payment).join(StripeId, StripeId.payment_id == Payment.id)
            payment = s.scalar(named.where(StripeId.id == line["payment_intent"]))
            if payment is None or payment.paid_at is None:
                continue
            open_ones = sa.select(Refund.amount_cents).where(
                Refund.payment_id == payment.id,
                Refund.status.in_((RefundStatus.PENDING, RefundStatus.PLANNED)),
            )
            if list(s.scalars(open_ones)):
                continue
            held = read_balances(s, payment.id)
        found = (held.cash, held.disputed, held.lost)
        assert found == (line["net"], line["disputed"], line["lost"]), line
