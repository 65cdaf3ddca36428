"""Bodies of /api/billing."""

from datetime import datetime
from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import ConfigDict, Field, model_validator
from pydantic.config import JsonDict

from api.alerts.schemas import NewAlert
from api.ground.schemas import Answer, Body, Flag, PlanAnswer
from api.models.payment import PaymentStatus, RefundReason, RefundStatus
from api.models.watchability import Hindrance, Standing
from configs.ground.strict_model import IsoDate
from configs.world.desk import Text
from configs.world.plan import PlanName

ClientName = Annotated[Text, Field(max_length=100, examples=["Camille Martin"])]
SoldPlan = Literal[PlanName.URGENCE_24H, PlanName.URGENCE_7J, PlanName.URGENCE_TOTAL]


class Words(Answer):
    """A text in both languages; the French one binds."""

    fr: str
    en: str


class ConsentWords(Answer):
    """The sentences beside the boxes of an order."""

    start_now: Words
    acknowledges_loss: Words
    accepts_hour_threshold: Words


class PlanList(Answer):
    """The plans that are sold, the version of the terms that an order accepts, and what its boxes say."""

    items: list[PlanAnswer]
    terms_version: str
    consent: ConsentWords


class TermsAnswer(Answer):
    """The terms of sale as Markdown. The French text binds."""

    version: str
    fr: str
    en: str


class QuoteQuery(Body):
    """Which plan."""

    plan: SoldPlan


class CreditAnswer(Answer):
    """A plan that the order ends, and what is credited for its time left."""

    payment_id: UUID
    plan: PlanName
    amount: int
    seconds: int


class QuoteAnswer(Answer):
    """What the plan would cost now, in cents, and from when to when it would run.

    `amount` is `price` less `credit`. `notCredited`: what the price cannot take, as 50 cents must be left to pay.
    `to` of a subscription is the end of its first month. `beginsLater`: the user withdrew from an order within 90 days,
    and this one begins once its own time to withdraw is over. `cancelledFrom`: the user began another subscription
    within 90 days, so that a cancellation of this one takes effect then at the earliest; null of all others.
    """

    plan: PlanName
    amount: int
    price: int
    credit: int
    not_credited: int
    currency: str
    recurring: bool
    extends: bool
    begins_later: bool
    cancelled_from: datetime | None
    starts_at: datetime = Field(serialization_alias="from")
    ends_at: datetime = Field(serialization_alias="to")
    credits: list[CreditAnswer]
    words: Words


class Consent(Body):
    """What the user agrees to, stored with its time and text.

    Every minute without watching is given back, unless a front end of its own asks for `acceptsHourThreshold`: only
    more than an hour then. Our pages do not. `startNow` and `acknowledgesLoss` must be true, unless the quote says
    `beginsLater`: they count for nothing then.
    """

    terms_version: Annotated[str, Field(max_length=20, examples=["2026-11-21"])]
    start_now: Flag = Field(default=False, examples=[True])
    acknowledges_loss: Flag = Field(default=False, examples=[True])
    accepts_hour_threshold: Flag = False


def _either(name: str, kind: str, flag: str) -> JsonDict:
    """Return the rule of `_one_of_both` as a JSON schema: neither a value with its flag, nor none of both."""
    both: JsonDict = {"required": [name, flag], "properties": {name: {"type": kind}, flag: {"const": True}}}
    neither: JsonDict = {"properties": {name: {"type": "null"}, flag: {"const": False}}}
    return {"not": {"anyOf": [both, neither]}}


class NewOrder(Body):
    """A plan, and the alert that its payment creates; `withoutAlert` says that there is to be none."""

    model_config = ConfigDict(json_schema_extra=_either("alert", "object", "withoutAlert"))

    plan: SoldPlan
    alert: NewAlert | None = None
    without_alert: Flag = False
    client_name: ClientName | None = None  # for the invoices
    # From the link of who is named: /ami/<friend>
    friend: Annotated[str, Field(max_length=300)] | None = None
    consent: Consent

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.alert is None) is not self.without_alert:
            raise ValueError("send either the alert, or withoutAlert: true")
        return self


class UnwatchedDesk(Answer):
    """A desk of the ordered alert whose slots are not watched now, and why."""

    desk_id: str
    because: Hindrance
    detail: str

    @classmethod
    def of_standing(cls, standing: Standing) -> Self:
        """Return one; its desk is not watchable."""
        found = {"desk_id": standing.desk.id, "because": standing.hindrance, "detail": standing.reason}
        return cls.model_validate(found)


class CheckoutAnswer(Answer):
    """Where to pay until `expiresAt`, and how many desks are watched now.

    `notWatched`: the desks of the alert that are not.

    `beginsAt`: the day on which a plan begins that the quote says `beginsLater` of; null of all others.
    """

    checkout_url: str
    payment_id: UUID
    expires_at: datetime
    desks_watched: int
    not_watched: list[UnwatchedDesk]
    begins_at: datetime | None


class RefundEntry(Answer):
    """Money that went back, or is to."""

    id: UUID
    amount: int = Field(validation_alias="amount_cents")
    reason: RefundReason
    status: RefundStatus
    created_at: datetime


class CreditEntry(Answer):
    """Something given in place of money: `amount` in cents off the price, or `seconds` of the plan.

    `reason`: `upgrade` (an order credited a cheaper plan), `outage` (time without watching), `withdrawal` (the cheaper
    plan goes on), `grace` (days until a renewal is paid).
    """

    reason: Literal["upgrade", "outage", "withdrawal", "grace"]
    amount: int | None
    seconds: int
    starts_at: datetime | None
    ends_at: datetime | None


class PaymentEntry(Answer):
    """A payment, in cents, with what it gave and what went back. `from` and `to`: the plan's time, once it is paid."""

    id: UUID
    order_number: str | None  # null of a renewal
    plan: PlanName
    amount: int
    refunded: int
    currency: str
    status: PaymentStatus
    renewal: bool
    created_at: datetime
    paid_at: datetime | None
    refunded_at: datetime | None
    starts_at: datetime | None = Field(serialization_alias="from")
    ends_at: datetime | None = Field(serialization_alias="to")
    withdraw_until: datetime | None  # an order's; null where it was not paid, or of a renewal
    terms_version: str | None
    stripe_payment_id: str | None
    stripe_session_id: str | None
    credits: list[CreditEntry]
    refunds: list[RefundEntry]


class HistoryPage(Answer):
    """The newest first; `next` is the `before` of the following page, null at the end."""

    items: list[PaymentEntry]
    next: UUID | None


class SubscriptionAnswer(Answer):
    """A subscription that has not ended: until when it is paid or given, and when it ends, null where it renews."""

    plan: PlanName
    paid_until: datetime | None
    ends_at: datetime | None


class Cancellation(Body):
    """When the subscription ends: `on` a day from today to ten days on, or at the end of the paid period."""

    model_config = ConfigDict(json_schema_extra=_either("on", "string", "periodEnd"))

    on: IsoDate | None = None
    period_end: Flag = False

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.on is None) is not self.period_end:
            raise ValueError("send either on, a date, or periodEnd: true")
        return self


class CancelledAnswer(Answer):
    """When the subscription ends, and what goes back for days that are paid and not used, in cents."""

    ends_at: datetime
    refund: int
    currency: str


class ClosedDeskChoice(Body):
    """The alert whose desks closed for good."""

    alert_id: UUID


class ClosedDeskRefund(Answer):
    """What goes back for the time since the desks closed, in cents; the plan ends for all alerts."""

    refund: int
    currency: str


class PortalAnswer(Answer):
    """Where cards are changed and invoices found, for some minutes."""

    portal_url: str


class EventReceived(Answer):
    """The event is stored; Stripe need not repeat it."""

    received: Literal[True] = True
