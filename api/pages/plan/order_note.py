"""The note that an order shows before it is paid (arrêté 83-50/A): owed from 25 €, on request below.

Its double is the invoice, issued once the order is paid.
"""

from dataclasses import dataclass
from datetime import date

from api.billing.schemas import QuoteAnswer
from api.invoices.contents import PARIS, Seller, measure_vat, name_present_seller, read_vat_terms
from configs.ground.clock import clock

_OWED_FROM = 2500  # cents


@dataclass(frozen=True, slots=True)
class OrderNote:
    """What the note names besides the quote."""

    day: date
    seller: Seller
    vat_line: str
    vat_cents: int
    net_cents: int


def build_note(quote: QuoteAnswer) -> OrderNote | None:
    """Return the note of an order; None below 25 €."""
    if quote.price < _OWED_FROM:
        return None
    percent, vat_line = read_vat_terms()
    vat_cents = measure_vat(quote.amount, percent)
    return OrderNote(
        day=clock().astimezone(PARIS).date(),
        seller=name_present_seller(),
        vat_line=vat_line,
        vat_cents=vat_cents,
        net_cents=quote.amount - vat_cents,
    )
