"""The calls of Stripe's API that the stand-in knows: method, path and the function that answers."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from deploy.sandbox.stripe.errors import StripeError
from deploy.sandbox.stripe.listing import PAGE, in_range, list_kind, make_page
from deploy.sandbox.stripe.objects import Json
from deploy.sandbox.stripe.resources import (
    checkout_sessions,
    coupons,
    customers,
    invoice_items,
    invoices,
    payment_intents,
    portal,
    refunds,
    subscriptions,
)

if TYPE_CHECKING:
    from deploy.sandbox.stripe.account import Account
    from deploy.sandbox.stripe.parameters import Parameters

_WARNING: Final = "radar.early_fraud_warning"
_OF_SESSIONS: Final = ("customer", "payment_intent", "status", "subscription")
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


def list_events(account: Account, given: Parameters) -> Json:
    """GET /v1/events: of one ``type``, where ``*`` matches anything, or of several ``types``."""
    given.only(*PAGE, "created", "delivery_success", "type", "types")
    wished = [*given.texts("types"), *filter(None, [given.text("type")])]
    found = in_range(account.all("event"), given, "created")
    if wished:
        pattern = re.compile("|".join(re.escape(each).replace(r"\*", ".*") for each in wished))
        found = [each for each in found if pattern.fullmatch(each["type"])]
    delivered = given.flag("delivery_success")
    if delivered is not None:
        found = [each for each in found if (each["pending_webhooks"] == 0) is delivered]
    return make_page(account, found, given, "event", "/v1/events")


_TABLE: Final[tuple[tuple[str, str, Operation], ...]] = (
    ("GET", "/v1/prices", _list("price", "/v1/prices", "product", "currency", "type")),
    ("POST", "/v1/customers", customers.create_customer),
    ("GET", "/v1/customers", _list("customer", "/v1/customers", "email")),
    ("GET", "/v1/customers/{}", _retrieve("customer")),
    ("DELETE", "/v1/customers/{}", customers.delete_customer),
    ("POST", "/v1/checkout/sessions", checkout_sessions.create_session),
    ("GET", "/v1/checkout/sessions", _list("checkout.session", "/v1/checkout/sessions", *_OF_SESSIONS)),
    ("GET", "/v1/checkout/sessions/{}", _retrieve("checkout.session")),
    ("POST", "/v1/checkout/sessions/{}/expire", checkout_sessions.expire_checkout_session),
    ("GET", "/v1/payment_intents/{}", payment_intents.retrieve_payment_intent),
    ("GET", "/v1/charges/{}", _retrieve("charge")),
    ("POST", "/v1/refunds", refunds.create_refund),
    ("GET", "/v1/refunds", _list("refund", "/v1/refunds", "charge", "payment_intent")),
    ("GET", "/v1/refunds/{}", _retrieve("refund")),
    ("GET", "/v1/subscriptions/{}", _retrieve("subscription")),
    ("POST", "/v1/subscriptions/{}", subscriptions.update_subscription),
    ("DELETE", "/v1/subscriptions/{}", subscriptions.cancel_subscription),
    ("GET", "/v1/invoices", invoices.list_invoices),
    ("GET", "/v1/invoices/{}", _retrieve("invoice")),
    ("GET", "/v1/invoices/{}/lines", invoices.list_lines),
    ("POST", "/v1/invoices/{}/void", invoices.void_invoice),
    ("GET", "/v1/invoice_payments", invoices.list_invoice_payments),
    ("POST", "/v1/invoiceitems", invoice_items.create_invoice_item),
    ("GET", "/v1/invoiceitems", invoice_items.list_invoice_items),
    ("DELETE", "/v1/invoiceitems/{}", invoice_items.delete_invoice_item),
    ("POST", "/v1/coupons", coupons.create_coupon),
    ("GET", "/v1/coupons", _list("coupon", "/v1/coupons")),
    ("POST", "/v1/billing_portal/sessions", portal.create_portal_session),
    ("GET", "/v1/disputes/{}", _retrieve("dispute")),
    ("GET", "/v1/radar/early_fraud_warnings/{}", _retrieve(_WARNING)),
    ("GET", "/v1/events", list_events),
)
_COMPILED: Final = [
    (method, re.compile(path.replace("{}", r"([^/]+)")), operation) for method, path, operation in _TABLE
]


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
