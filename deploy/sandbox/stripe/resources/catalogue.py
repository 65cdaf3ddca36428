"""Products and prices, coupons and promotion codes.

The three plans are given; other products and prices are made by ``price_data``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from pydantic import Field

from deploy.sandbox.stripe.objects import Json, StripeError
from deploy.sandbox.stripe.parameters import Currency, Metadata, Object, Parameters, Positive

if TYPE_CHECKING:
    from deploy.sandbox.stripe.account import Account

# Product, price id, name, cents, interval.
GIVEN: Final = (
    ("prod_sandbox_24h", "price_sandbox_24h", "URGENCE 24H", 499, None),
    ("prod_sandbox_7j", "price_sandbox_7j", "URGENCE 7J", 1499, None),
    ("prod_sandbox_total", "price_sandbox_total", "URGENCE TOTAL", 2999, "month"),
)


class _Recurring(Object):
    interval: Literal["month"]


class _ProductData(Object):
    name: str


class _PriceData(Object):
    currency: Currency
    unit_amount: Annotated[int, Field(ge=0)]
    product_data: _ProductData
    recurring: _Recurring | None = None


class Item(Object):
    """A line item of a Checkout Session."""

    quantity: Positive
    price: str | None = None
    price_data: _PriceData | None = None


class NewCoupon(Parameters):
    """An amount, taken off once."""

    id: str | None = None
    amount_off: Positive
    currency: Currency
    duration: Literal["once"] = "once"
    max_redemptions: Positive | None = None
    metadata: Metadata = Field({})
    name: str | None = None


def fill_catalogue(account: Account) -> None:
    """Add the products and prices of the plans, and a code that takes 10 % off."""
    for product, price, name, cents, interval in GIVEN:
        made = make_product(account, name, id=product)
        make_price(account, made["id"], cents, "eur", interval, id=price)
    make_promotion_code(account, "BIENVENUE", percent_off=10.0)


def make_product(account: Account, name: str, **more: Any) -> Json:
    """Keep a product."""
    return account.new("product", name=name, updated=account.clock.now(), **more)


def make_price(
    account: Account, product: str, cents: int, currency: str, interval: str | None, **more: Any
) -> Json:
    """Keep a price; one with an interval is recurring."""
    more |= {"currency": currency, "unit_amount": cents, "unit_amount_decimal": str(cents)}
    if interval:
        recurring = {"interval": interval, "interval_count": 1, "usage_type": "licensed"}
        more |= {"recurring": recurring | {"meter": None, "trial_period_days": None}, "type": "recurring"}
    return account.new("price", product=product, **more)


def read_price(account: Account, item: Item, name: str) -> Json:
    """Return the price that a line item names by ``price`` or describes by ``price_data``."""
    new, identifier = item.price_data, item.price
    if (new is None) == (identifier is None):
        message = "You must specify either `price` or `price_data` when using prices."
        raise StripeError(message, param=f"{name}[price]")
    if new:
        product = make_product(account, new.product_data.name)["id"]
        interval = new.recurring.interval if new.recurring else None
        return make_price(account, product, new.unit_amount, new.currency, interval, active=False)
    price = account.find("price", identifier or "", f"{name}[price]")
    if not price["active"]:
        raise StripeError("The price specified is inactive.", param=f"{name}[price]")
    return price


def create_coupon(account: Account, given: NewCoupon) -> Json:
    """POST /v1/coupons."""
    if given.id and account.get("coupon", given.id):
        raise StripeError("Coupon already exists.", code="resource_already_exists", param="id")
    told = given.model_dump(exclude={"expand"} if given.id else {"expand", "id"})
    return account.make("coupon.created", "coupon", **told)


def make_promotion_code(account: Account, code: str, **off: Any) -> Json:
    """Keep a code that customers type at Checkout, and its coupon; ``off`` is ``percent_off``."""
    coupon = account.new("coupon", **off, name=code)
    return account.new("promotion_code", code=code, promotion={"coupon": coupon["id"], "type": "coupon"})


def find_promotion_code(account: Account, code: str) -> Json | None:
    """Return the active code that a customer typed."""
    known = account.where("promotion_code", active=True)
    return next((each for each in known if each["code"].casefold() == code.strip().casefold()), None)


def usable_coupon(account: Account, identifier: str, currency: str, param: str) -> Json:
    """Return a coupon that can be redeemed now.

    Raises:
        StripeError: it does not exist, is used up, or is in another currency.
    """
    coupon = account.find("coupon", identifier, param)
    if not coupon["valid"]:
        message = f"Coupon {identifier} is expired and cannot be applied."
        raise StripeError(message, code="coupon_expired", param=param)
    if coupon["currency"] not in {None, currency}:
        raise StripeError(f"The coupon {identifier} is not in {currency}.", param=param)
    return coupon


def redeem_coupon(coupon: Json) -> None:
    """Count a redemption; the last one uses the coupon up."""
    coupon["times_redeemed"] += 1
    coupon["valid"] = (
        coupon["max_redemptions"] is None or coupon["times_redeemed"] < coupon["max_redemptions"]
    )


def amount_off(coupon: Json | None, subtotal: int) -> int:
    """Return how many cents a coupon takes off."""
    if coupon is None:
        return 0
    if coupon["amount_off"] is not None:
        return min(subtotal, int(coupon["amount_off"]))
    return int(subtotal * coupon["percent_off"] / 100 + 0.5)
