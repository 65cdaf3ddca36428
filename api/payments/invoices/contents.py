"""Contents of a document besides its number, date and amount, frozen; and the answers that show documents."""

from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal
from enum import StrEnum
from uuid import UUID
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict

from api.ground.schemas import Answer
from api.models.invoice import InvoiceKind
from api.models.payment import RefundReason
from configs.settings import settings
from configs.world.plan import PlanName
from configs.world.sales_terms import BINDING, name_seller, write_vat_line

PARIS = ZoneInfo("Europe/Paris")  # of the dates of documents


class _Frozen(BaseModel):
    """Base class. A later version may write more than this one reads."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class LineKind(StrEnum):
    """What a line is about."""

    PLAN = "plan"  # an order
    RENEWAL = "renewal"  # another month of a subscription
    UPGRADE_CREDIT = "upgrade_credit"  # the unused part of a cheaper plan
    DISCOUNT = "discount"
    OUTAGE = "outage"  # time without watching of an earlier month
    REFUND = "refund"
    REFUND_RETURNED = "refund_returned"  # the bank sent a refund back to us
    DISPUTE = "dispute"  # the bank gave the money back after a dispute that we lost
    DISPUTE_RETURNED = "dispute_returned"  # it was won after all
    PERSON = "person"  # the watched hours of a person whom an organisation helps
    STEPS = "steps"  # what many days lower
    FLOOR = "floor"  # what lacks to the least of a month
    WAIVED = "waived"  # corrected by an operator before it was paid


class InvoiceLine(_Frozen):
    """A line; what lowers the price is negative. `plan` of an UPGRADE_CREDIT is the plan that ended.

    Those of an organisation's month are without tax; `reference` and `hours` are of a PERSON.
    """

    kind: LineKind
    plan: PlanName
    amount_cents: int
    reference: int | None = None
    hours: int | None = None


class Seller(_Frozen):
    """The seller as settings named it at the time of issue."""

    name: str
    address: str
    siren: str
    phone: str
    email: str
    vat: str | None = None
    registration: str | None = None


class Firm(_Frozen):
    """What only an invoice to a firm names (L.441-9 of the Code de commerce)."""

    name: str
    address: str
    siren: str | None
    vat: str | None
    purchase_order: str | None
    day_cents: int  # price of 24 hours, without tax
    due_at: datetime | None  # None of a correction
    iban: str | None  # of the seller, for a transfer


class CorrectedInvoice(_Frozen):
    """The document that a correction names."""

    number: str
    issued_at: datetime


class InvoiceContents(_Frozen):
    """What a document names; never changed once it is issued."""

    order: str  # number of the order; of a renewal the subscription's
    plan: PlanName
    lines: tuple[InvoiceLine, ...]
    paid_at: datetime  # of a correction: when the money moved
    starts_at: datetime | None  # the period that is paid; null where the plan never began
    ends_at: datetime | None
    vat_percent: Decimal
    vat_line: str
    vat_cents: int
    seller: Seller
    corrects: CorrectedInvoice | None = None
    reason: RefundReason | None = None  # of a correction
    firm: Firm | None = None


def name_present_seller() -> Seller:
    """Return the seller as settings name it now."""
    names, ours = name_seller(BINDING), settings()
    return Seller(
        name=names["seller_name"],
        address=names["seller_address"],
        siren=names["seller_siren"],
        phone=names["seller_phone"],
        email=names["support_email"],
        vat=ours.seller_vat,
        registration=ours.seller_registration,
    )


def read_vat_terms() -> tuple[Decimal, str]:
    """Return the percent of the tax that SELLER_VAT and SELLER_VAT_PERCENT say, and its line in French, which binds."""
    ours = settings()
    if ours.seller_vat is None:
        return Decimal(0), write_vat_line()
    percent = f"{ours.seller_vat_percent.normalize():f}".replace(".", ",")
    return ours.seller_vat_percent, f"TVA {percent} %"


def measure_vat(gross_cents: int, percent: Decimal) -> int:
    """Return the tax within an amount in cents, half a cent rounded up."""
    return int((gross_cents * percent / (100 + percent)).quantize(Decimal(1), ROUND_HALF_UP))


class InvoiceEntry(Answer):
    """A document; amounts in cents, VAT included. `corrects`: number of the document that it corrects."""

    id: UUID
    kind: InvoiceKind
    number: str
    issued_at: datetime
    payment_id: UUID
    order: str
    plan: PlanName
    amount: int
    vat: int
    currency: str
    corrects: str | None
    pdf_ready: bool


class InvoicePage(Answer):
    """The newest first; `next` is the `before` of the following page, null at the end."""

    items: list[InvoiceEntry]
    next: UUID | None


class InvoiceDocument(InvoiceEntry):
    """A document with everything that it names."""

    client_name: str | None
    contents: InvoiceContents
