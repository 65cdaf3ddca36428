"""Value-added tax: the line that a document bears, and the tax within an amount. Prices include it."""

from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

from configs.sales_terms import write_vat_line
from configs.settings import settings

_CENT = Decimal(1)


@dataclass(frozen=True, slots=True)
class VatTerms:
    """The tax of what is sold: 0 percent without a VAT number. `line` is French, which binds."""

    percent: Decimal
    line: str


def read_vat_terms() -> VatTerms:
    """Return the tax that SELLER_VAT and SELLER_VAT_PERCENT say."""
    ours = settings()
    if ours.seller_vat is None:
        return VatTerms(Decimal(0), write_vat_line())
    percent = f"{ours.seller_vat_percent.normalize():f}".replace(".", ",")
    return VatTerms(ours.seller_vat_percent, f"TVA {percent} %")


def measure_vat(gross_cents: int, percent: Decimal) -> int:
    """Return the tax within an amount in cents, half a cent rounded up."""
    exact = gross_cents * percent / (100 + percent)
    return int(exact.quantize(_CENT, ROUND_HALF_UP))
