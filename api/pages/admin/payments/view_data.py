"""View data of one payment for operators."""

from dataclasses import dataclass
from uuid import UUID

from api.admin.audit import AuditedWork
from api.admin.payments import queries
from api.admin.payments.schemas import PaymentDetails
from api.billing.order_book import OrderBook, read_order_book


@dataclass(frozen=True, slots=True)
class PaymentView:
    """A payment with everything that happened to it, what its book says, and the cents that can go back."""

    payment: PaymentDetails
    book: OrderBook
    left: int


def read_payment_view(work: AuditedWork, payment_id: UUID) -> PaymentView:
    """Return what the page of a payment shows; the audit notes that an admin saw the former customer.

    Raises:
        api.errors.ApiError: 404.
    """
    shown = queries.read_payment(work.session, payment_id, sees_addresses=work.actor.sees_addresses)
    if shown.former_customer:
        work.changes["saw"] = "former customer"
    book = read_order_book(work.session, payment_id)
    return PaymentView(shown, book, queries.read_refundable(work.session, payment_id))
