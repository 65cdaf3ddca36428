"""The calls of Stripe's API that the product makes: method, path, parameters and the function that answers.

An answer names objects by their ids, unless ``expand`` asks for them: https://docs.stripe.com/expand
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from pydantic import create_model

from deploy.sandbox.stripe.objects import Json, StripeError, cut_list, show
from deploy.sandbox.stripe.parameters import Page, Parameters, list_kind, read_parameters
from deploy.sandbox.stripe.resources import catalogue, checkout, invoices, money_back, subscriptions

if TYPE_CHECKING:
    from deploy.sandbox.stripe.account import Account

# Called with the account, the parameters, and the ids in the path.
Operation = Callable[..., Json]


def _retrieve(kind: str) -> tuple[type[Parameters], Operation]:
    return Parameters, lambda account, _given, identifier: account.find(kind, identifier)


def _list(kind: str, url: str, *filters: str) -> tuple[type[Parameters], Operation]:
    asked: dict[str, Any] = dict.fromkeys(filters, (str | None, None))
    model = create_model(f"{kind}_page", __base__=Page, **asked)
    return model, lambda account, given: list_kind(account, given, kind, url)


CALLS: Final[dict[tuple[str, str], tuple[type[Parameters], Operation]]] = {
    ("DELETE", "/v1/customers/{}"): (Parameters, subscriptions.delete_customer),
    ("POST", "/v1/checkout/sessions"): (checkout.NewSession, checkout.create_session),
    ("GET", "/v1/checkout/sessions"): _list("checkout.session", "/v1/checkout/sessions"),
    ("GET", "/v1/checkout/sessions/{}"): _retrieve("checkout.session"),
    ("POST", "/v1/checkout/sessions/{}/expire"): (Parameters, checkout.expire_session),
    ("GET", "/v1/payment_intents/{}"): _retrieve("payment_intent"),
    ("POST", "/v1/refunds"): (money_back.NewRefund, money_back.create_refund),
    ("GET", "/v1/refunds"): _list("refund", "/v1/refunds", "payment_intent"),
    ("GET", "/v1/refunds/{}"): _retrieve("refund"),
    ("GET", "/v1/subscriptions/{}"): _retrieve("subscription"),
    ("POST", "/v1/subscriptions/{}"): (subscriptions.Change, subscriptions.update_subscription),
    ("DELETE", "/v1/subscriptions/{}"): (subscriptions.Cancellation, subscriptions.cancel_subscription),
    ("GET", "/v1/invoices"): _list("invoice", "/v1/invoices"),
    ("GET", "/v1/invoices/{}"): _retrieve("invoice"),
    ("GET", "/v1/invoices/{}/lines"): (Page, invoices.list_lines),
    ("POST", "/v1/invoices/{}/void"): (Parameters, invoices.void_invoice),
    ("GET", "/v1/invoice_payments"): _list("invoice_payment", "/v1/invoice_payments", "invoice"),
    ("POST", "/v1/invoiceitems"): (invoices.NewItem, invoices.create_invoice_item),
    ("GET", "/v1/invoiceitems"): (invoices.ItemPage, invoices.list_invoice_items),
    ("DELETE", "/v1/invoiceitems/{}"): (Parameters, invoices.delete_invoice_item),
    ("POST", "/v1/coupons"): (catalogue.NewCoupon, catalogue.create_coupon),
    ("POST", "/v1/billing_portal/sessions"): (subscriptions.NewPortal, subscriptions.create_portal_session),
    ("GET", "/v1/disputes/{}"): _retrieve("dispute"),
    ("GET", "/v1/radar/early_fraud_warnings/{}"): _retrieve("radar.early_fraud_warning"),
    ("GET", "/v1/events"): _list("event", "/v1/events"),
}
_COMPILED: Final = [
    (method, re.compile(path.replace("{}", r"([^/]+)")), *call) for (method, path), call in CALLS.items()
]


def run_call(account: Account, method: str, path: str, told: Json) -> Json:
    """Carry out a call; return what it answers, with the objects that ``expand`` names.

    Raises:
        StripeError: there is no such call (404), or it is refused.
    """
    for known, pattern, model, operation in _COMPILED:
        if found := pattern.fullmatch(path) if known == method else None:
            given = read_parameters(model, told)
            return _show_expanded(account, operation(account, given, *found.groups()), given.expand)
    message = f"Unrecognized request URL ({method}: {path}). Stripe's stand-in does not know this call."
    raise StripeError(message, status=404)


def _show_expanded(account: Account, thing: Json, names: list[str]) -> Json:
    shown: Json = show(thing)
    for name in names:
        match thing["object"], name:
            case "checkout.session", "payment_intent":
                shown[name] = show(account.get("payment_intent", thing["payment_intent"]))
            case "invoice", "payments":
                shown[name] = show(cut_list(invoices.list_of_payments(account, thing)))
            case _:
                raise StripeError(f"This property cannot be expanded ({name}).", param="expand")
    return shown
