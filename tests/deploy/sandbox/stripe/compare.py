"""Compares the stand-in's objects with Stripe's own examples and with the types of its SDK, field by field.

By hand: `python -m tests.deploy.sandbox.stripe.compare OBJECTS`, a JSON file of one example by each object's name, such
as the fixtures of https://github.com/stripe/openapi. docs/stand-ins.md has the result.
"""

import json
import sys
import types
import typing
from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import stripe
from pydantic import BaseModel

from api.payments import facts
from deploy.sandbox.stripe import controls
from deploy.sandbox.stripe.objects import show
from tests.model.direct_stripe import DirectStripe, Json

_PRICES = ("price_sandbox_7j", "price_sandbox_total")
# By Stripe's name of an object: the SDK's class, and what the product reads of it.
CLASSES: dict[str, tuple[Any, type[BaseModel] | None]] = {
    "billing_portal.session": (stripe.billing_portal.Session, None),
    "charge": (stripe.Charge, facts.ChargeFacts),
    "checkout.session": (stripe.checkout.Session, facts.SessionFacts),
    "coupon": (stripe.Coupon, None),
    "customer": (stripe.Customer, None),
    "dispute": (stripe.Dispute, facts.DisputeFacts),
    "event": (stripe.Event, None),
    "invoice": (stripe.Invoice, facts.InvoiceFacts),
    "invoice_payment": (stripe.InvoicePayment, facts.InvoicePayment),
    "invoiceitem": (stripe.InvoiceItem, None),
    "line_item": (stripe.InvoiceLineItem, facts.Line),
    "payment_intent": (stripe.PaymentIntent, facts.IntentFacts),
    "radar.early_fraud_warning": (stripe.radar.EarlyFraudWarning, facts.FraudWarningFacts),
    "refund": (stripe.Refund, facts.RefundFacts),
    "subscription": (stripe.Subscription, facts.SubscriptionFacts),
    "subscription_item": (stripe.SubscriptionItem, None),
}


def main(arguments: list[str]) -> int:
    """Print each difference; return 1 where the product reads what Stripe's example does not have."""
    examples, ours = json.loads(Path(arguments[0]).read_text("utf-8")), play_life()
    unread = []
    for kind, (known, read) in CLASSES.items():
        made, example = ours[kind], examples[kind]
        lines = [*compare_fields(example, made), *check_types(made, known)]
        unread += [f"{kind}.{each}" for each in (list_unread(example, read) if read else ())]
        sys.stdout.write("\n  ".join([f"{kind}: {len(lines)}", *sorted(lines)]) + "\n")
    sys.stdout.write("\n  ".join(["read by the product, not in the example:", *unread]) + "\n")
    return 0


def play_life() -> dict[str, Json]:
    """Return an object of each kind as the library gets it: a week and a month are bought, renewed, refunded, disputed."""
    direct = DirectStripe()
    v1: Any = direct.make_client().v1
    coupon = v1.coupons.create({"amount_off": 100, "currency": "eur"})
    made = [_buy(direct, v1, price, coupon.id) for price in _PRICES]
    for session in made:
        direct.control(controls.pay, session.id, card="visa")
    paid, monthly = (v1.checkout.sessions.retrieve(each.id, {"expand": ["payment_intent"]}) for each in made)
    intent, contract = paid.payment_intent, v1.subscriptions.retrieve(str(monthly.subscription))
    refund = v1.refunds.create({"payment_intent": intent.id, "amount": 100})
    direct.control(controls.dispute, intent.id, amount=200)
    direct.control(controls.warn_of_fraud, intent.id)
    item = v1.invoice_items.create(
        {"customer": str(contract.customer), "subscription": contract.id, "amount": -20, "currency": "eur"}
    )
    direct.control(controls.renew, contract.id)
    invoice = v1.invoices.retrieve(str(monthly.invoice), {"expand": ["payments"]})
    found: tuple[Any, ...] = (
        coupon, paid, intent, contract, refund, item, invoice, contract["items"].data[0], invoice.payments.data[0],
        invoice.lines.data[0], v1.charges.retrieve(str(intent.latest_charge)), v1.events.list({}).data[0],
        v1.disputes.retrieve(_find(direct, "dispute")),
        v1.radar.early_fraud_warnings.retrieve(_find(direct, "radar.early_fraud_warning")),
        v1.billing_portal.sessions.create({"customer": str(contract.customer), "return_url": "https://a.example/"}),
    )  # fmt: skip
    by_kind: dict[str, Json] = {str(each["object"]): each.to_dict() for each in found}
    by_kind["customer"] = show(direct.objects("customer")[-1])
    by_kind["event"]["data"] = {"object": {}}  # of another kind than the example's
    return by_kind


def _buy(direct: DirectStripe, v1: Any, price: str, coupon: str) -> Any:
    params = {
        "mode": "subscription" if price == _PRICES[1] else "payment",
        "line_items": [{"price": price, "quantity": 1}],
        "discounts": [{"coupon": coupon}],
        "success_url": "https://a.example/ok",
        "cancel_url": "https://a.example/no",
    }
    return v1.checkout.sessions.create(params)


def _find(direct: DirectStripe, kind: str) -> str:
    return str(direct.objects(kind)[-1]["id"])


def compare_fields(example: Any, made: Any, path: str = "") -> Iterator[str]:
    """Yield where an answer and Stripe's example differ in fields, or in JSON types; null fits every type."""
    if isinstance(example, Mapping) and isinstance(made, Mapping):
        if not path.endswith(("metadata.", "data.object.")):
            yield from (f"lacks {path}{name}" for name in example.keys() - made.keys())
            yield from (f"has besides {path}{name}" for name in made.keys() - example.keys())
        for name in example.keys() & made.keys():
            yield from compare_fields(example[name], made[name], f"{path}{name}.")
    elif isinstance(example, list) and isinstance(made, list):
        if example and made:
            yield from compare_fields(example[0], made[0], f"{path}[].")
    elif None not in (example, made) and _name_type(example) != _name_type(made):
        yield f"{path[:-1]}: {_name_type(made)}, in the example {_name_type(example)}"


def _name_type(value: Any) -> str:
    """Return the JSON type of a value: the library makes decimals of texts, and we ask for objects in place of ids."""
    is_text = isinstance(value, Decimal) or (isinstance(value, Mapping) and "id" in value)
    return "str" if is_text else type(value).__name__


def check_types(made: Mapping[str, Any], known: Any, path: str = "") -> Iterator[str]:
    """Yield what the SDK's class of an answer forbids: null, a word that it does not name, a field of no class."""
    for name, value in made.items():
        hint = known.__annotations__.get(name)
        if hint is None:
            yield f"the SDK has no {path}{name}"
            continue
        options = list(_list_options(hint))
        words = {word for each in options for word in typing.get_args(each) if isinstance(word, str)}
        if value is None and type(None) not in options:
            yield f"{path}{name} is null, which the SDK excludes"
        if isinstance(value, str) and words and value not in words:
            yield f"{path}{name} is {value}, which the SDK does not name"
        part = value[0] if isinstance(value, list) and value else value
        nested = _find_class(options)
        if nested and isinstance(part, Mapping) and "object" not in part:
            yield from check_types(part, nested, f"{path}{name}.")


def _find_class(options: list[Any]) -> Any:
    """Return the SDK's class for a part of an object, alone or in a list; None where it is none."""
    parts = [part for each in options for part in (each, *typing.get_args(each))]
    known = (each for each in parts if isinstance(each, type) and issubclass(each, stripe.StripeObject))
    return next(known, None)


def _list_options(hint: Any) -> Iterator[Any]:
    """Yield the alternatives of a type."""
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        for each in typing.get_args(hint):
            yield from _list_options(each)
    else:
        yield hint


def list_unread(example: Any, read: type[BaseModel], path: str = "") -> Iterator[str]:
    """Yield the fields that the product reads and Stripe's example does not have."""
    for name, field in read.model_fields.items():
        if name not in example:
            yield f"{path}{name}"
            continue
        value = example[name][0] if isinstance(example[name], list) and example[name] else example[name]
        for each in _list_options(field.annotation):
            nested = next(iter(typing.get_args(each)), each)
            if isinstance(nested, type) and issubclass(nested, BaseModel) and isinstance(value, Mapping):
                yield from list_unread(value, nested, f"{path}{name}.")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
