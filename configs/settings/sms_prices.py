"""Prices by country: EUR for a segment of an SMS, or a minute of a call, as `0.08,BE=0.10`."""

from decimal import Decimal, InvalidOperation
from types import MappingProxyType

from configs.ground.contact_addresses import parse_countries

OTHER = ""  # the key of the price of all countries that have none of their own
_HIGHEST = Decimal(10)  # EUR a segment: more is a slip, and a sum of it would not fit its column
DEFAULT = MappingProxyType({OTHER: Decimal("0.08")})
DEFAULT_CALL = MappingProxyType({OTHER: Decimal("0.15")})  # EUR a minute to a mobile number


def parse_sms_prices(text: str) -> dict[str, Decimal]:
    """Read prices with commas between them: `BE=0.10` of a country, `0.08` alone of all others.

    Raises:
        ValueError: it names no country, a price that is none, or no price of all others.
    """
    prices: dict[str, Decimal] = {}
    for entry in filter(None, map(str.strip, text.split(","))):
        country, _, price = entry.rpartition("=")
        codes = parse_countries(country) or {OTHER}
        prices |= dict.fromkeys(codes, _parse_price(price.strip()))
    if prices and OTHER not in prices:
        raise ValueError("has no price of all other countries: write 0.08,BE=0.10")
    return prices or dict(DEFAULT)


def _parse_price(text: str) -> Decimal:
    try:
        price = Decimal(text)
    except InvalidOperation:
        raise ValueError(f"{text!r} is no price: write 0.08,BE=0.10, in EUR a segment") from None
    if not (price.is_finite() and 0 <= price <= _HIGHEST):
        raise ValueError(f"{text!r} is no price of a segment: it lies between 0 and {_HIGHEST} EUR")
    return price
