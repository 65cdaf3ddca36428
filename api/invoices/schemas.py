"""Bodies of documents: their list, and one with its contents for its page."""

from datetime import date, datetime
from uuid import UUID

from api.invoices.contents import InvoiceContents
from api.models.invoice import InvoiceKind
from api.schemas import Answer
from configs.world.plan import PlanName


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


class DailyTotal(Answer):
    """Documents of a day in Paris, a plan and a VAT line: invoices less credit notes, in cents."""

    day: date
    plan: PlanName
    vat_line: str
    currency: str
    invoices: int
    credit_notes: int
    gross: int
    vat: int
    net: int
