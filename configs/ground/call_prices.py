"""Estimated price of a call: one minute, as our calls last less."""

from decimal import Decimal

from configs.ground.contact_addresses import country_of
from configs.settings import settings
from configs.settings.sms_prices import OTHER


def price_call(number: str) -> Decimal:
    """Return what a call to a number costs, in EUR."""
    prices = settings().call_price
    return prices.get(country_of(number) or OTHER, prices[OTHER])
