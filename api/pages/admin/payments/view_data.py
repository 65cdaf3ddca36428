"""View data of one payment for operators."""

from dataclasses import dataclass
from uuid import UUID

from api.admin.audit import AuditedWork
from api.admin.payments import queries
from api.admin.payments.schemas import PaymentDetails


@dataclass(frozen=True, slots=True)
class PaymentView:
    """A payment with everything that happened to it, and the cents that can go back."""

    payment: PaymentDetails
    left: int


def read_payment_view(work: AuditedWork, payment_id: UUID) -> PaymentView:
    """Return what the page of a payment shows; the audit notes that an admin saw the former customer.

    Raises:
        api.errors.ApiError: 404.
    """
    shown = queries.read_payment(work.session, payment_id, sees_addresses=work.actor.sees_addresses)
    if shown.former_customer:
        work.changes["saw"] = "former customer"
    return PaymentView(shown, queries.read_refundable(work.session, payment_id))
