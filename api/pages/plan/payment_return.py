"""The return from Checkout: the order that the address names, and whether its payment is settled."""

from api.billing.schemas import PaymentEntry
from api.models.payment import PaymentStatus
from api.pages.plan.order_form import read_plan_name
from api.pages.plan.view_data import find_newest_order


def read_returned_order() -> PaymentEntry | None:
    """Return the newest order of the plan that Checkout's address names."""
    return find_newest_order(read_plan_name())


def is_settled(entry: PaymentEntry | None) -> bool:
    """Return whether nothing more is to come for an order."""
    return entry is not None and entry.status is not PaymentStatus.PENDING
