"""Stripe's calls about Checkout and the customer portal.

Every parameter of an order comes from rows that stay as they are, so that a repeated call is the same call: Stripe
refuses an idempotency key with other parameters. https://docs.stripe.com/api/checkout/sessions/create
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from time import sleep
from typing import Any, TypeVar
from uuid import UUID

from stripe import StripeClient

from api.payments.client import call
from api.payments.errors import StripeAway, StripeRefused
from api.payments.facts import Facts
from api.payments.owners import PAYMENT_KEY
from configs.plan import Plan, PlanName, name_plan
from configs.settings import settings

# Settings of the plans' prices at Stripe.
_PRICES = {
    PlanName.URGENCE_24H: "stripe_price_24h",
    PlanName.URGENCE_7J: "stripe_price_7j",
    PlanName.URGENCE_TOTAL: "stripe_price_total",
}
_SHORT_WAIT = 1.0  # seconds: another request works on the same order
_TRIES = 3
_EXISTS = "resource_already_exists"

Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class CheckoutCall:
    """What Stripe is told of an order, read from its row."""

    payment_id: UUID
    plan: Plan
    credit_cents: int  # becomes a coupon that can be used once
    email: str
    customer: str | None  # Stripe's id, where the user paid before
    language: str
    expires_at: datetime


class SessionPage(Facts):
    """A Checkout Session: its state, and the page where it is paid while it is open."""

    id: str
    status: str | None
    url: str | None = None


class _PortalPage(Facts):
    url: str


def create_session(order: CheckoutCall) -> SessionPage:
    """Have the page of an order made; repeated, it returns the same one.

    Raises:
        api.payments.errors.StripeAway: no answer; the page may have been made.
        api.payments.errors.StripeRefused: it was not made.
    """
    coupon = _create_coupon(order) if order.credit_cents else None
    options: Any = {"idempotency_key": f"checkout-{order.payment_id}"}
    params: Any = _build_params(order, coupon)
    made = _insist(lambda client: client.v1.checkout.sessions.create(params, options))
    return SessionPage.of(made)


def retrieve_session(session_id: str) -> SessionPage:
    """Return a session's present state."""
    return SessionPage.of(call(lambda client: client.v1.checkout.sessions.retrieve(session_id)))


def expire_session(session_id: str) -> SessionPage:
    """End an open session, so that it cannot be paid; return its state, complete where it was paid before."""
    try:
        return SessionPage.of(call(lambda client: client.v1.checkout.sessions.expire(session_id)))
    except StripeRefused:
        return retrieve_session(session_id)


def create_portal(customer: str, language: str, return_url: str) -> str:
    """Return the address of a page where a customer changes cards and finds invoices; it works for minutes."""
    params: Any = {"customer": customer, "locale": language, "return_url": return_url}
    return _PortalPage.of(call(lambda client: client.v1.billing_portal.sessions.create(params))).url


def _insist(ask: Callable[[StripeClient], Answer]) -> Answer:
    """Make a call, again where Stripe asks for a short wait: the other half of a double click is on its way."""
    for left in reversed(range(_TRIES)):
        try:
            return call(ask)
        except StripeAway as error:
            if not left or error.retry_after is None or error.retry_after > _SHORT_WAIT:
                raise
            sleep(error.retry_after)
    raise AssertionError("the last try returns or raises")


def _create_coupon(order: CheckoutCall) -> str:
    """Have the order's coupon made, or find it made before."""
    name = f"credit-{order.payment_id}"
    params: Any = {
        "id": name,
        "amount_off": order.credit_cents,
        "currency": order.plan.currency,
        "duration": "once",
        "max_redemptions": 1,
        "name": "Temps restant" if order.language == "fr" else "Time left",
        "metadata": {PAYMENT_KEY: str(order.payment_id)},
    }
    options: Any = {"idempotency_key": name}
    try:
        _insist(lambda client: client.v1.coupons.create(params, options))
    except StripeRefused as error:
        if error.code != _EXISTS:
            raise
    return name


def _build_params(order: CheckoutCall, coupon: str | None) -> dict[str, Any]:
    name = str(order.payment_id)
    front = settings().frontend_url
    metadata = {PAYMENT_KEY: name, "plan": order.plan.name.value}
    params: dict[str, Any] = {
        "mode": "subscription" if order.plan.recurring else "payment",
        "adaptive_pricing": {"enabled": False},  # in euros, whatever the dashboard says
        "line_items": [_build_item(order.plan)],
        "success_url": f"{front}/dashboard?payment=success&plan={order.plan.name.value}",
        "cancel_url": f"{front}/register?payment=cancelled",
        "client_reference_id": name,
        "locale": order.language,
        "expires_at": int(order.expires_at.timestamp()),
        "allowed_payment_method_types": list(settings().stripe_payment_methods),
        "metadata": metadata,
        "subscription_data" if order.plan.recurring else "payment_intent_data": {"metadata": metadata},
    }
    if order.customer:
        params["customer"] = order.customer
    else:
        params |= {"customer_email": order.email}
        params |= {} if order.plan.recurring else {"customer_creation": "always"}
    if coupon:
        params["discounts"] = [{"coupon": coupon}]
    elif settings().stripe_promotion_codes:
        params["allow_promotion_codes"] = True
    return params


def _build_item(plan: Plan) -> dict[str, Any]:
    """Return the line of a plan: the price that the settings name, or the one of plans.yaml."""
    if price := getattr(settings(), _PRICES[plan.name]):
        return {"price": price, "quantity": 1}
    data: dict[str, Any] = {
        "currency": plan.currency,
        "unit_amount": plan.price_cents,
        "product_data": {"name": f"RDVPriority {name_plan(plan.name)}"},
    }
    return {
        "price_data": data | ({"recurring": {"interval": "month"}} if plan.recurring else {}),
        "quantity": 1,
    }
