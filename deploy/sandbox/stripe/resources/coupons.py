"""Coupons, promotion codes, and the discount that they give."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from deploy.sandbox.stripe.errors import StripeError
from deploy.sandbox.stripe.objects import Json, new_id
from deploy.sandbox.stripe.shapes import blank

if TYPE_CHECKING:
    from deploy.sandbox.stripe.account import Account
    from deploy.sandbox.stripe.parameters import Parameters

_DURATIONS: Final = ("once", "forever", "repeating")
_COUPON: Final = (
    "id", "amount_off", "currency", "duration", "duration_in_months", "max_redemptions",
    "metadata", "name", "percent_off", "redeem_by",
)  # fmt: skip


def create_coupon(account: Account, given: Parameters) -> Json:
    """POST /v1/coupons."""
    given.only(*_COUPON)
    identifier = given.text("id")
    if identifier and account.get("coupon", identifier):
        raise StripeError("Coupon already exists.", code="resource_already_exists", param="id")
    duration = given.choice("duration", _DURATIONS) or "once"
    months = given.number("duration_in_months", least=1)
    if (duration == "repeating") != (months is not None):
        raise StripeError("duration_in_months goes with duration=repeating.", param="duration_in_months")
    made = make_coupon(
        account,
        **_read_off(given),
        id=identifier or new_id("cpn"),
        duration=duration,
        duration_in_months=months,
        max_redemptions=given.number("max_redemptions", least=1),
        metadata=given.metadata(),
        name=given.text("name"),
        redeem_by=given.number("redeem_by"),
    )
    account.emit("coupon.created", made)
    return made


def make_coupon(account: Account, **more: Any) -> Json:
    """Keep a coupon; ``more`` holds ``amount_off`` with its ``currency``, or ``percent_off``."""
    return account.add(blank("coupon", id=new_id("cpn"), created=account.clock.now()) | more)


def _read_off(given: Parameters) -> Json:
    amount, percent = given.number("amount_off", least=1), given.text("percent_off")
    if (amount is None) == (percent is None):
        raise StripeError("You must set either amount_off or percent_off.", param="percent_off")
    if amount is not None:
        return {"amount_off": amount, "currency": given.needed_text("currency").lower()}
    try:
        off = float(percent or "")
    except ValueError:
        off = 0.0
    if not 0 < off <= 100:  # noqa: PLR2004 - per cent
        raise StripeError("percent_off must be above 0 and at most 100.", param="percent_off")
    return {"percent_off": off}


def usable_coupon(account: Account, identifier: str, currency: str, param: str) -> Json:
    """Return a coupon that can be redeemed now.

    Raises:
        StripeError: it does not exist, has expired, is used up, or is in another currency.
    """
    coupon = account.find("coupon", identifier, param)
    refresh_coupon(account, coupon)
    if not coupon["valid"]:
        message = f"Coupon {identifier} is expired and cannot be applied."
        raise StripeError(message, code="coupon_expired", param=param)
    if coupon["currency"] not in {None, currency}:
        raise StripeError(f"The coupon {identifier} is not in {currency}.", param=param)
    return coupon


def refresh_coupon(account: Account, coupon: Json) -> None:
    """Set whether a coupon can be redeemed still."""
    used_up = coupon["max_redemptions"] is not None and coupon["times_redeemed"] >= coupon["max_redemptions"]
    over = coupon["redeem_by"] is not None and coupon["redeem_by"] <= account.clock.now()
    coupon["valid"] = not used_up and not over


def redeem_coupon(account: Account, coupon: Json) -> None:
    """Count a redemption."""
    coupon["times_redeemed"] += 1
    refresh_coupon(account, coupon)


def amount_off(coupon: Json | None, subtotal: int) -> int:
    """Return how many cents a coupon takes off."""
    if coupon is None:
        return 0
    if coupon["amount_off"] is not None:
        return min(subtotal, int(coupon["amount_off"]))
    return int(subtotal * coupon["percent_off"] / 100 + 0.5)


def make_promotion_code(account: Account, code: str, coupon: Json) -> Json:
    """Keep a code that customers type at Checkout."""
    promotion = {"coupon": coupon["id"], "type": "coupon"}
    made = blank("promotion_code", id=new_id("promo"), created=account.clock.now(), code=code)
    return account.add(made | {"promotion": promotion})


def find_promotion_code(account: Account, code: str) -> Json | None:
    """Return the active code that a customer typed."""
    for each in account.where("promotion_code", active=True):
        if each["code"].casefold() == code.strip().casefold():
            return each
    return None
