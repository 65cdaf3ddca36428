"""The calls of Stripe's API that the product makes: method, path and the function that answers.

An answer names objects by their ids, unless ``expand`` asks for them: https://docs.stripe.com/expand
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from deploy.sandbox.stripe.objects import Json, StripeError, cut_list, show
from deploy.sandbox.stripe.parameters import list_kind
from deploy.sandbox.stripe.resources import catalogue, checkout, invoices, money_back, subscriptions

if TYPE_CHECKING:
    from deploy.sandbox.stripe.account import Account
    from deploy.sandbox.stripe.parameters import Parameters

# Called with the account, the parameters, and the ids in the path.
Operation = Callable[..., Json]


def _retrieve(kind: str) -> Operation:
    def retrieve(account: Account, given: Parameters, identifier: str) -> Json:
        given.only()
        return account.find(kind, identifier)

    return retrieve


def _list(kind: str, url: str, *filters: str) -> Operation:
    def list_all(account: Account, given: Parameters) -> Json:
        return list_kind(account, given, kind, url, *filters)

    return list_all


_TABLE: Final[tuple[tuple[str, str, Operation], ...]] = (
    ("DELETE", "/v1/customers/{}", subscriptions.delete_customer),
    ("POST", "/v1/checkout/sessions", checkout.create_session),
    ("GET", "/v1/checkout/sessions", _list("checkout.session", "/v1/checkout/sessions")),
    ("GET", "/v1/checkout/sessions/{}", _retrieve("checkout.session")),
    ("POST", "/v1/checkout/sessions/{}/expire", checkout.expire_session),
    ("GET", "/v1/payment_intents/{}", _retrieve("payment_intent")),
    ("POST", "/v1/refunds", money_back.create_refund),
    ("GET", "/v1/refunds", _list("refund", "/v1/refunds", "payment_intent")),
    ("GET", "/v1/refunds/{}", _retrieve("refund")),
    ("GET", "/v1/subscriptions/{}", _retrieve("subscription")),
    ("POST", "/v1/subscriptions/{}", subscriptions.update_subscription),
    ("DELETE", "/v1/subscriptions/{}", subscriptions.cancel_subscription),
    ("GET", "/v1/invoices", _list("invoice", "/v1/invoices")),
    ("GET", "/v1/invoices/{}", _retrieve("invoice")),
    ("GET", "/v1/invoices/{}/lines", invoices.list_lines),
    ("POST", "/v1/invoices/{}/void", invoices.void_invoice),
    ("GET", "/v1/invoice_payments", _list("invoice_payment", "/v1/invoice_payments", "invoice")),
    ("POST", "/v1/invoiceitems", invoices.create_invoice_item),
    ("GET", "/v1/invoiceitems", invoices.list_invoice_items),
    ("DELETE", "/v1/invoiceitems/{}", invoices.delete_invoice_item),
    ("POST", "/v1/coupons", catalogue.create_coupon),
    ("POST", "/v1/billing_portal/sessions", subscriptions.create_portal_session),
    ("GET", "/v1/disputes/{}", _retrieve("dispute")),
    ("GET", "/v1/radar/early_fraud_warnings/{}", _retrieve("radar.early_fraud_warning")),
    ("GET", "/v1/events", _list("event", "/v1/events")),
)
_COMPILED: Final = [
    (method, re.compile(path.replace("{}", r"([^/]+)")), operation) for method, path, operation in _TABLE
]
_EXPANSIONS: Final[dict[tuple[str, str], Callable[[Account, Json], Json | None]]] = {
    ("checkout.session", "payment_intent"): lambda account, session: account.get(
        "payment_intent", session["payment_intent"]
    ),
    ("invoice", "payments"): lambda account, invoice: cut_list(invoices.list_of_payments(account, invoice)),
}


def find_operation(method: str, path: str) -> tuple[Operation, tuple[Any, ...]]:
    """Return what answers a call, and the ids in its path.

    Raises:
        StripeError: there is no such call: 404.
    """
    for known, pattern, operation in _COMPILED:
        found = pattern.fullmatch(path) if known == method else None
        if found:
            return operation, found.groups()
    message = f"Unrecognized request URL ({method}: {path}). Stripe's stand-in does not know this call."
    raise StripeError(message, status=404)


def show_expanded(account: Account, thing: Json, names: list[str]) -> Json:
    """Return an object or a list as the API answers it, with the objects that ``expand`` names."""
    shown: Json = show(thing)
    for name in names:
        expand = _EXPANSIONS.get((thing["object"], name))
        if expand is None:
            raise StripeError(f"This property cannot be expanded ({name}).", param="expand")
        shown[name] = show(expand(account, thing))
    return shown
