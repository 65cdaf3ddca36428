"""Shows objects as an answer: ids stay ids, unless ``expand`` asks for the objects that they name.

https://docs.stripe.com/expand
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from deploy.sandbox.stripe.errors import StripeError
from deploy.sandbox.stripe.objects import Json, cut_list, make_list, show
from deploy.sandbox.stripe.resources.checkout_sessions import line_items
from deploy.sandbox.stripe.resources.invoices import list_of_payments

if TYPE_CHECKING:
    from collections.abc import Callable

    from deploy.sandbox.stripe.account import Account

_DEEPEST: Final = 4
# Which kind of object a field names.
_KINDS: Final = {
    "charge": "charge",
    "coupon": "coupon",
    "customer": "customer",
    "default_payment_method": "payment_method",
    "invoice": "invoice",
    "latest_charge": "charge",
    "latest_invoice": "invoice",
    "payment_intent": "payment_intent",
    "payment_method": "payment_method",
    "price": "price",
    "product": "product",
    "promotion_code": "promotion_code",
    "subscription": "subscription",
}


def _refunds(account: Account, charge: Json) -> Json:
    found = account.where("refund", charge=charge["id"])[::-1]
    return make_list(found, f"/v1/charges/{charge['id']}/refunds")


def _subscriptions(account: Account, customer: Json) -> Json:
    found = account.where("subscription", customer=customer["id"])[::-1]
    running = [each for each in found if each["status"] != "canceled"]
    return make_list(running, f"/v1/customers/{customer['id']}/subscriptions")


def _line_items(account: Account, session: Json) -> Json:
    del account
    return line_items(session)


# Fields that an answer has only where `expand` names them.
_INCLUDED: Final[dict[tuple[str, str], Callable[[Account, Json], Json]]] = {
    ("charge", "refunds"): _refunds,
    ("checkout.session", "line_items"): _line_items,
    ("customer", "subscriptions"): _subscriptions,
    ("invoice", "payments"): list_of_payments,
}


def show_expanded(account: Account, thing: Json, paths: list[str]) -> Json:
    """Return an object or a list as the API answers it."""
    for path in paths:
        if len(path.split(".")) > _DEEPEST + (thing["object"] == "list"):
            raise StripeError("You cannot expand more than 4 levels of a property.", param="expand")
    shown: Json = _expand(account, thing, [path.split(".") for path in paths])
    return shown


def _expand(account: Account, value: Any, paths: list[list[str]]) -> Any:
    if isinstance(value, list):
        return [_expand(account, each, paths) for each in value]
    if not isinstance(value, dict):
        raise StripeError("This property cannot be expanded.", param="expand")
    shown = {key: each for key, each in value.items() if not key.startswith("_")}
    for name in dict.fromkeys(path[0] for path in paths):
        rest = [path[1:] for path in paths if path[0] == name and len(path) > 1]
        shown[name] = _expand_field(account, value, name, rest)
    asked = {path[0] for path in paths}
    return {key: each if key in asked else show(cut_list(each)) for key, each in shown.items()}


def _expand_field(account: Account, holder: Json, name: str, rest: list[list[str]]) -> Any:
    include = _INCLUDED.get((str(holder.get("object")), name))
    if include is not None:
        return _expand(account, cut_list(include(account, holder)), rest)
    if name not in holder:
        raise StripeError(f"This property cannot be expanded ({name}).", param="expand")
    value = holder[name]
    if value is None:
        return None
    if name == "discounts":
        return [_expand(account, _find(account, "discount", each), rest) for each in value]
    if isinstance(value, str):
        if name not in _KINDS:
            raise StripeError(f"This property cannot be expanded ({name}).", param="expand")
        return _expand(account, account.find(_KINDS[name], value), rest)
    return _expand(account, value, rest)


def _find(account: Account, kind: str, value: Any) -> Json:
    found: Json = account.find(kind, value) if isinstance(value, str) else value
    return found
