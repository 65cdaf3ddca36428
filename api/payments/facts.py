"""The part of Stripe's objects that we read, checked at the boundary. Amounts in cents, instants in UTC.

Fields are those of API_VERSION in client.py: https://docs.stripe.com/api
"""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Self

from pydantic import BaseModel, ConfigDict

if TYPE_CHECKING:
    import stripe

FIRST_MONTH = "subscription_create"  # why the invoice of an order was made

Metadata = dict[str, str] | None  # null on objects of other products


class Facts(BaseModel):
    """Base class: unknown fields are left out, and wrong ones raise pydantic's ValidationError.

    Its text names the fields and not what they hold, which may be a name or an address, as it is logged.
    """

    model_config = ConfigDict(extra="ignore", frozen=True, hide_input_in_errors=True)

    @classmethod
    def of(cls, found: "stripe.StripeObject") -> Self:
        """Return the facts of an object that the library returned."""
        return cls.model_validate(found.to_dict())


class _Discounts(Facts):
    amount_discount: int = 0


class IntentFacts(Facts):
    """A PaymentIntent: the money of one payment."""

    id: str
    status: str
    amount_received: int = 0
    currency: str
    created: datetime
    customer: str | None = None
    metadata: Metadata = None


class SessionFacts(Facts):
    """A Checkout Session, its PaymentIntent expanded."""

    id: str
    mode: str
    status: str | None
    payment_status: str
    amount_total: int | None
    currency: str | None
    total_details: _Discounts | None = None
    created: datetime
    customer: str | None = None
    subscription: str | None = None
    invoice: str | None = None
    payment_intent: IntentFacts | None = None
    metadata: Metadata = None


class ChargeFacts(Facts):
    """A charge; a payment has one for each attempt."""

    id: str
    payment_intent: str | None


class RefundFacts(Facts):
    """A refund, ours or one of the dashboard."""

    id: str
    amount: int
    currency: str
    status: str | None
    payment_intent: str | None
    created: datetime
    failure_reason: str | None = None
    metadata: Metadata = None


class DisputeFacts(Facts):
    """A dispute: the holder of the card asked the bank for the money."""

    id: str
    payment_intent: str | None
    amount: int
    status: str
    reason: str
    created: datetime


class FraudWarningFacts(Facts):
    """The card's network suspects fraud; often a dispute follows."""

    id: str
    payment_intent: str | None = None
    charge: str
    fraud_type: str
    created: datetime


class Period(Facts):
    """What one payment of a subscription pays for."""

    start: datetime
    end: datetime

    @property
    def length(self) -> timedelta:
        """Its whole time."""
        return self.end - self.start


class _Source(Facts):
    type: str


class Line(Facts):
    """One line of an invoice."""

    period: Period
    parent: _Source | None = None
    metadata: Metadata = None

    @property
    def is_of_plan(self) -> bool:
        """Whether it is the subscription's own line, not an amount that waited for the invoice."""
        return bool(self.parent and self.parent.type == "subscription_item_details")


class _Lines(Facts):
    data: list[Line]
    has_more: bool = False


class _Origin(Facts):
    subscription: str
    metadata: Metadata = None


class _Parent(Facts):
    subscription_details: _Origin | None = None


class _Paid(Facts):
    payment_intent: str | None = None


class InvoicePayment(Facts):
    """One attempt to pay an invoice."""

    payment: _Paid
    status: str | None = None


class _InvoicePayments(Facts):
    data: list[InvoicePayment]
    has_more: bool = False


class _Discount(Facts):
    amount: int


class _Transitions(Facts):
    paid_at: datetime | None = None


class InvoiceFacts(Facts):
    """An invoice of a subscription, its payments expanded."""

    id: str
    status: str | None
    billing_reason: str | None
    customer: str | None = None
    amount_due: int
    amount_paid: int
    currency: str
    attempt_count: int = 0
    auto_advance: bool = True  # of a draft: it will be collected by itself
    created: datetime
    status_transitions: _Transitions = _Transitions()
    lines: _Lines
    total_discount_amounts: list[_Discount] | None = None
    parent: _Parent | None = None
    payments: _InvoicePayments | None = None

    @property
    def origin(self) -> _Origin | None:
        """The subscription that it belongs to, if one."""
        return self.parent.subscription_details if self.parent else None

    @property
    def payment_intent(self) -> str | None:
        """The PaymentIntent by which it was paid, or is to be: an invoice may have had others before."""
        tried = self.payments.data if self.payments else []
        paid_first = sorted(tried, key=lambda each: each.status != "paid")
        return next((each.payment.payment_intent for each in paid_first if each.payment.payment_intent), None)

    @property
    def is_refused_renewal(self) -> bool:
        """Whether a month after the first one is open, and was asked for in vain."""
        return self.status == "open" and bool(self.attempt_count) and self.billing_reason != FIRST_MONTH

    @property
    def discount(self) -> int:
        """What coupons and promotion codes took off, in cents."""
        return sum(each.amount for each in self.total_discount_amounts or [])

    @property
    def period(self) -> Period | None:
        """The period that it pays for: the last one of its plan's lines."""
        of_plan = (line.period for line in self.lines.data if line.is_of_plan)
        return max(of_plan, key=lambda each: each.end, default=None)


class _Item(Facts):
    current_period_start: datetime
    current_period_end: datetime


class _Items(Facts):
    data: list[_Item]


class _Cancellation(Facts):
    reason: str | None = None  # cancellation_requested, payment_failed, payment_disputed


class SubscriptionFacts(Facts):
    """A subscription; the paid period belongs to its one item."""

    id: str
    status: str
    items: _Items
    cancel_at: datetime | None = None
    cancel_at_period_end: bool = False
    canceled_at: datetime | None = None  # when somebody asked for its end
    cancellation_details: _Cancellation = _Cancellation()
    ended_at: datetime | None = None
    metadata: Metadata = None

    @property
    def ends_at(self) -> datetime | None:
        """When it will end, or did, where that is decided."""
        if self.ended_at or self.cancel_at:
            return self.ended_at or self.cancel_at
        item = next(iter(self.items.data), None)
        return item.current_period_end if self.cancel_at_period_end and item else None


def read_list(found: Any, kind: type[Facts]) -> list[Any]:
    """Return the facts of a whole list at Stripe, page after page."""
    return [kind.of(each) for each in found.auto_paging_iter()]
