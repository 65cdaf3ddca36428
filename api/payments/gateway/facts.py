"""The part of Stripe's objects that we read, checked at the boundary. Amounts in cents, instants in UTC.

Fields are those of API_VERSION in client.py: https://docs.stripe.com/api
"""

from datetime import datetime
from typing import TYPE_CHECKING, Any, Self

from pydantic import AliasChoices, AliasPath, BaseModel, ConfigDict, Field

if TYPE_CHECKING:
    import stripe

FIRST_MONTH = "subscription_create"  # why the invoice of an order was made

_MEANS = "latest_charge", "payment_method_details"

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


class IntentFacts(Facts):
    """A PaymentIntent: the money of one payment."""

    id: str
    status: str
    amount_received: int = 0
    currency: str
    customer: str | None = None
    metadata: Metadata = None
    # What tells one card or account from another; read with `latest_charge` expanded.
    card: str | None = Field(
        default=None,
        validation_alias=AliasChoices(
            AliasPath(*_MEANS, "card", "fingerprint"), AliasPath(*_MEANS, "paypal", "payer_id")
        ),
    )


class SessionFacts(Facts):
    """A Checkout Session; its PaymentIntent is expanded, except in lists. `url`: its page, while it is open."""

    id: str
    mode: str
    status: str | None
    payment_status: str
    amount_total: int | None
    currency: str | None
    discount: int = Field(default=0, validation_alias=AliasPath("total_details", "amount_discount"))
    url: str | None = None
    customer: str | None = None
    subscription: str | None = None
    invoice: str | None = None
    payment_intent: IntentFacts | str | None = None
    metadata: Metadata = None


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
    fraud_type: str
    created: datetime


class Period(Facts):
    """What one payment of a subscription pays for."""

    start: datetime
    end: datetime


class Line(Facts):
    """One line of an invoice."""

    amount: int = 0
    period: Period
    source: str | None = Field(default=None, validation_alias=AliasPath("parent", "type"))
    metadata: Metadata = None

    @property
    def is_of_plan(self) -> bool:
        """Whether it is the subscription's own line, not an amount that waited for the invoice."""
        return self.source == "subscription_item_details"


class _Origin(Facts):
    subscription: str
    metadata: Metadata = None


class InvoicePayment(Facts):
    """One attempt to pay an invoice."""

    intent: str | None = Field(default=None, validation_alias=AliasPath("payment", "payment_intent"))
    record: str | None = Field(default=None, validation_alias=AliasPath("payment", "payment_record"))
    status: str | None = None


class _Discount(Facts):
    amount: int


class InvoiceFacts(Facts):
    """An invoice of a subscription, its payments expanded. `origin`: the subscription that it belongs to, if one."""

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
    paid_at: datetime | None = Field(
        default=None, validation_alias=AliasPath("status_transitions", "paid_at")
    )
    lines: list[Line] = Field(validation_alias=AliasPath("lines", "data"))
    more_lines: bool = Field(default=False, validation_alias=AliasPath("lines", "has_more"))
    total_discount_amounts: list[_Discount] | None = None
    origin: _Origin | None = Field(default=None, validation_alias=AliasPath("parent", "subscription_details"))
    payments: list[InvoicePayment] = Field(default=[], validation_alias=AliasPath("payments", "data"))
    more_payments: bool = Field(default=False, validation_alias=AliasPath("payments", "has_more"))

    @property
    def payment_intent(self) -> str | None:
        """The PaymentIntent by which it was paid, or is to be: an invoice may have had others before."""
        paid_first = sorted(self.payments, key=lambda each: each.status != "paid")
        return next((each.intent for each in paid_first if each.intent), None)

    @property
    def is_paid_by_transfer(self) -> bool:
        """Whether the seller noted that it was paid outside Stripe (https://docs.stripe.com/payments/payment-records)."""
        return any(each.record and each.status == "paid" for each in self.payments)

    @property
    def is_refused_renewal(self) -> bool:
        """Whether a month after the first one is open, and an attempt to collect it failed."""
        return self.status == "open" and bool(self.attempt_count) and self.billing_reason != FIRST_MONTH

    @property
    def discount(self) -> int:
        """What coupons and promotion codes took off, in cents."""
        return sum(each.amount for each in self.total_discount_amounts or [])

    @property
    def period(self) -> Period | None:
        """The period that it pays for: the last one of its plan's lines."""
        of_plan = (line.period for line in self.lines if line.is_of_plan)
        return max(of_plan, key=lambda each: each.end, default=None)


class _Item(Facts):
    current_period_start: datetime
    current_period_end: datetime


class SubscriptionFacts(Facts):
    """A subscription; the paid period belongs to its one item."""

    id: str
    status: str
    item: _Item | None = Field(default=None, validation_alias=AliasPath("items", "data", 0))
    cancel_at: datetime | None = None
    cancel_at_period_end: bool = False
    canceled_at: datetime | None = None  # when somebody asked for its end
    # cancellation_requested, payment_failed, payment_disputed
    end_reason: str | None = Field(default=None, validation_alias=AliasPath("cancellation_details", "reason"))
    ended_at: datetime | None = None
    metadata: Metadata = None

    @property
    def ends_at(self) -> datetime | None:
        """When it will end, or did, where that is decided."""
        if self.ended_at or self.cancel_at:
            return self.ended_at or self.cancel_at
        return self.item.current_period_end if self.cancel_at_period_end and self.item else None


def read_list(found: Any, kind: type[Facts]) -> list[Any]:
    """Return the facts of a whole list at Stripe, page after page."""
    return [kind.of(each) for each in found.auto_paging_iter()]
