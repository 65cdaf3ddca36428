"""Products and prices: the three plans are given, others are made by ``price_data``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from deploy.sandbox.stripe.errors import StripeError, missing_parameter
from deploy.sandbox.stripe.objects import Json, new_id
from deploy.sandbox.stripe.shapes import blank

if TYPE_CHECKING:
    from deploy.sandbox.stripe.account import Account
    from deploy.sandbox.stripe.parameters import Parameters

# Product, price id, name, cents, interval.
GIVEN: Final = (
    ("prod_sandbox_24h", "price_sandbox_24h", "URGENCE 24H", 499, None),
    ("prod_sandbox_7j", "price_sandbox_7j", "URGENCE 7J", 1499, None),
    ("prod_sandbox_total", "price_sandbox_total", "URGENCE TOTAL", 2999, "month"),
)
INTERVALS: Final = ("day", "week", "month", "year")


def fill_catalogue(account: Account) -> None:
    """Add the products and prices of the plans."""
    for product, price, name, cents, interval in GIVEN:
        made = account.add(make_product(account, name, identifier=product))
        account.add(make_price(account, made["id"], cents, "eur", interval=interval, identifier=price))


def make_product(
    account: Account, name: str, description: str | None = None, identifier: str | None = None
) -> Json:
    """Build a product."""
    moment, known = account.clock.now(), identifier or new_id("prod")
    return blank("product", id=known, created=moment, description=description, name=name, updated=moment)


def make_price(
    account: Account,
    product: str,
    cents: int,
    currency: str,
    *,
    interval: str | None = None,
    interval_count: int = 1,
    identifier: str | None = None,
) -> Json:
    """Build a price; one with an interval is recurring."""
    made = blank(
        "price",
        id=identifier or new_id("price"),
        created=account.clock.now(),
        currency=currency,
        product=product,
        unit_amount=cents,
        unit_amount_decimal=str(cents),
    )
    if interval:
        recurring = {"interval": interval, "interval_count": interval_count, "usage_type": "licensed"}
        made |= {"recurring": recurring | {"meter": None, "trial_period_days": None}, "type": "recurring"}
    return made


def make_plan(price: Json) -> Json:
    """Return a recurring price as the older object that subscription items still carry."""
    recurring = price["recurring"]
    same = (
        "id",
        "active",
        "billing_scheme",
        "created",
        "currency",
        "livemode",
        "metadata",
        "nickname",
        "product",
    )
    return {
        **{name: price[name] for name in same},
        "object": "plan",
        "amount": price["unit_amount"],
        "amount_decimal": price["unit_amount_decimal"],
        "interval": recurring["interval"],
        "interval_count": recurring["interval_count"],
        "meter": None,
        "tiers_mode": None,
        "transform_usage": None,
        "trial_period_days": None,
        "usage_type": "licensed",
    }


def read_price(account: Account, given: Parameters) -> Json:
    """Return the price that a line item names by ``price`` or describes by ``price_data``."""
    identifier = given.text("price")
    if given.has("price_data") == (identifier is not None):
        message = "You must specify either `price` or `price_data` when using prices."
        raise StripeError(message, param=given.full_name("price"))
    if identifier is not None:
        price = account.find("price", identifier, given.full_name("price"))
        if not price["active"]:
            raise StripeError("The price specified is inactive.", param=given.full_name("price"))
        return price
    return _made_price(account, given.nested("price_data"))


def _made_price(account: Account, given: Parameters) -> Json:
    given.only("currency", "unit_amount", "product", "product_data", "recurring", "tax_behavior")
    cents = given.number("unit_amount", least=0)
    if cents is None:
        raise missing_parameter(given.full_name("unit_amount"))
    currency = given.needed_text("currency").lower()
    recurring = given.nested("recurring").only("interval", "interval_count")
    interval = recurring.choice("interval", INTERVALS)
    count = recurring.number("interval_count", least=1) or 1
    product = _made_product(account, given)
    made = make_price(account, product, cents, currency, interval=interval, interval_count=count)
    return account.add(made | {"active": False})


def _made_product(account: Account, given: Parameters) -> str:
    identifier = given.text("product")
    if identifier is not None:
        return str(account.find("product", identifier, given.full_name("product"))["id"])
    data = given.nested("product_data").only(
        "name", "description", "metadata", "images", "tax_code", "unit_label"
    )
    name, description = data.needed_text("name"), data.text("description")
    made = make_product(account, name, description) | {"metadata": data.metadata()}
    return str(account.add(made)["id"])
