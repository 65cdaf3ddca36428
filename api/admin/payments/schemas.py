"""Bodies of /api/admin: payments, Stripe's events, and differences with Stripe."""

from datetime import date, datetime, timedelta
from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from api.billing.schemas import PaymentEntry, RefundEntry
from api.declarations.typed_text import find_number
from api.invoices.contents import PARIS
from api.invoices.schemas import DailyTotal
from api.models.declaration import DeclarationKind, DeclaredBy
from api.models.payment import PaymentEventKind, PaymentStatus
from api.models.stripe_event import StripeEventFlag
from api.paging import MomentCursor, PageQuery
from api.schemas import INTEGRAL, Answer, Body, clean_text
from configs.ground.clock import clock
from configs.ground.strict_model import IsoDate
from configs.world.desk import Text

_LONGEST_EXPORT = timedelta(days=366)
_EARLIEST, _LATEST = date(2001, 1, 1), date(2099, 12, 31)
StripeName = Annotated[Text, Field(max_length=255)]
_NUMBER = "^[2-9A-HJ-NP-Z]{10}$"
# The document promises the number alone; what stands around it is taken off. Behind a validator pydantic forgets it.
OrderNumber = Annotated[
    str,
    clean_text(find_number),
    Field(pattern=_NUMBER, examples=["7KQ2M9XWPA"], json_schema_extra={"pattern": _NUMBER}),
]


class PaymentQuery(PageQuery):
    """Payments of a user, of a status, or the one with an order number, or that an id of Stripe's belongs to."""

    user_id: UUID | None = None
    status: PaymentStatus | None = None
    order_number: OrderNumber | None = None
    stripe_id: StripeName | None = None


class OperatorPayment(PaymentEntry):
    """A payment as its user sees it, and whose it is; null where the account was deleted."""

    user_id: UUID | None


class PaymentLog(Answer):
    """The newest first; `next` is the `before` of the following page, null at the end."""

    items: list[OperatorPayment]
    next: UUID | None


class PaymentEventEntry(Answer):
    """One thing that happened to a payment. `subject`: the refund or dispute that it is about."""

    kind: PaymentEventKind
    subject: str
    at: datetime
    recorded_at: datetime
    details: dict[str, Any]


class OperatorRefund(RefundEntry):
    """A refund as an operator sees it. `error`: Stripe's code, or why it waits."""

    payment_id: UUID
    note: str | None
    error: str | None


class PaymentDetails(OperatorPayment):
    """A payment with everything that happened to it, in order, and Stripe's ids by their kind."""

    refunds: list[OperatorRefund]  # type: ignore[assignment] # each with more than its user sees
    events: list[PaymentEventEntry]
    stripe_ids: dict[str, str]
    # Stripe's customer of a deleted account, for 120 days and for admins only: it has the name for a dispute
    former_customer: str | None


class NewRefund(Body):
    """Money that goes back: `amount` in cents, or all that is left. `note`: the operator's reason."""

    amount: Annotated[int, Field(ge=1, le=10_000_000, strict=True), INTEGRAL] | None = None
    note: Annotated[Text, Field(max_length=500)]


class DeclarationQuery(Body):
    """All declarations, or with `open` those that no order was found for. `before`: the `next` of the page before."""

    open: bool | None = None
    before: MomentCursor | None = None
    limit: int = Field(50, ge=1, le=100)


class DeclarationEntry(Answer):
    """A withdrawal or cancellation as it was declared, and what came of it. Support sees the address shortened."""

    id: UUID
    kind: DeclarationKind
    made_at: datetime
    made_by: DeclaredBy
    user_id: UUID | None
    payment_id: UUID | None
    subscription_id: UUID | None
    name: str | None
    email: str | None
    reference: str | None
    wished_on: date | None
    at_period_end: bool
    confirmed_at: datetime | None
    takes_effect_at: datetime | None
    applied_at: datetime | None
    undone_at: datetime | None
    refused_because: str | None
    refund_cents: int | None = Field(serialization_alias="refund")


class DeclarationLog(Answer):
    """The newest first; `next` is the `before` of the following page, null at the end."""

    items: list[DeclarationEntry]
    next: str | None


class StripeEventQuery(Body):
    """Events of a type, with a flag, or not applied yet. `before`: the `next` of the page before."""

    type: StripeName | None = None
    flag: StripeEventFlag | None = None
    open: bool | None = None
    object_id: StripeName | None = None
    before: StripeName | None = None
    limit: int = Field(50, ge=1, le=100)


class StripeEventEntry(Answer):
    """An event of Stripe's, without what it said."""

    id: str
    type: str
    api_version: str | None
    object_type: str | None
    object_id: str | None
    created_at: datetime
    received_at: datetime
    applied_at: datetime | None
    attempts: int
    next_attempt_at: datetime | None
    error: str | None
    flag: StripeEventFlag | None


class StripeEventLog(Answer):
    """The newest first; `next` is the `before` of the following page, null at the end."""

    items: list[StripeEventEntry]
    next: str | None


class TotalsQuery(Body):
    """Days in Paris, both included, at most a year; without them the month so far."""

    first: IsoDate | None = None
    last: IsoDate | None = None

    @property
    def days(self) -> tuple[date, date]:
        """The first and the last day."""
        last = self.last or clock().astimezone(PARIS).date()
        return self.first or last.replace(day=1), last

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        first, last = self.days
        if first > last:
            raise PydanticCustomError("out_of_order", "first lies after last")
        if not (first >= _EARLIEST and last <= _LATEST and last - first <= _LONGEST_EXPORT):
            raise PydanticCustomError("too_far", "send days of this century, at most 366 days apart")
        return self


class DailyTotals(Answer):
    """Invoices less credit notes, per day of issue in Paris, plan and VAT line, for e-reporting."""

    items: list[DailyTotal]


class DifferenceEntry(Answer):
    """What a comparison found: both sides, and whether applying Stripe's state repaired it."""

    id: UUID
    found_at: datetime
    object_id: str
    payment_id: UUID | None
    ours: dict[str, Any]
    stripe: dict[str, Any]
    repaired: bool


class DifferenceLog(Answer):
    """The newest first; `next` is the `before` of the following page, null at the end."""

    items: list[DifferenceEntry]
    next: UUID | None
