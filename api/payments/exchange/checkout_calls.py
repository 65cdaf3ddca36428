"""Stripe's calls about Checkout and the customer portal.

Every parameter of an order comes from rows that stay as they are, so that a repeated call is the same call: Stripe
refuses an idempotency key with other parameters. https://docs.stripe.com/api/checkout/sessions/create
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from time import sleep
from typing import Any, TypeVar
from uuid import UUID

from stripe import StripeClient

from api.models.payment import Payment
from api.models.user import User
from api.payments.gateway.client import call
from api.payments.gateway.errors import StripeAway, StripeRefused
from api.payments.gateway.facts import SessionFacts
from api.payments.ledger.stripe_ids import PAYMENT_KEY
from configs.ground.text import FRENCH, choose_page_language
from configs.settings import settings
from configs.world.plan import Plan, PlanName, name_plan, plan

# How long an order may be paid at Checkout; Stripe takes 31 minutes to 23 hours
CHECKOUT_SECONDS = 3600

_SHORT_WAIT = 1.0  # seconds: another request works on the same order
_REPEATS = 2
_EXISTS = "resource_already_exists"

Answer = TypeVar("Answer")


def find_expiry(order: Payment) -> datetime:
    """Return until when the page of an order is open."""
    return order.created_at + timedelta(seconds=CHECKOUT_SECONDS)


def create_session(order: Payment, user: User, credit_cents: int) -> SessionFacts:
    """Have the page of an order made; repeated, it returns the same one. What is credited becomes a coupon.

    Raises:
        StripeAway: no answer; the page may have been made.
        StripeRefused: it was not made.
    """
    language = choose_page_language(user.language)
    coupon = _create_coupon(order, credit_cents, language) if credit_cents else None
    options: Any = {"idempotency_key": f"checkout-{order.id}"}
    params: Any = _build_params(order, user, language, coupon)
    return SessionFacts.of(_insist(lambda client: client.v1.checkout.sessions.create(params, options)))


def create_bill_session(payment_id: UUID, number: str, cents: int, attempt: int) -> SessionFacts:
    """Have the page made on which an organisation pays an invoice by card; repeated, an attempt returns the same one.

    Raises:
        StripeAway: no answer; the page may have been made.
        StripeRefused: it was not made.
    """
    metadata, page = {PAYMENT_KEY: str(payment_id)}, f"{settings().frontend_url}/organisation/argent"
    data = {"currency": "eur", "unit_amount": cents, "product_data": {"name": f"RDVPriority {number}"}}
    params: Any = {
        "mode": "payment",
        "adaptive_pricing": {"enabled": False},
        "line_items": [{"price_data": data, "quantity": 1}],
        "success_url": page,
        "cancel_url": page,
        "client_reference_id": str(payment_id),
        "allowed_payment_method_types": ["card"],  # paid, or not, when the page closes
        "metadata": metadata,
        "payment_intent_data": {"metadata": metadata},
    }
    options: Any = {"idempotency_key": f"bill-{payment_id}-{attempt}-{cents}"}
    return SessionFacts.of(_insist(lambda client: client.v1.checkout.sessions.create(params, options)))


def retrieve_session(session_id: str) -> SessionFacts:
    """Return a session's present state."""
    return SessionFacts.of(call(lambda client: client.v1.checkout.sessions.retrieve(session_id)))


def expire_session(session_id: str) -> SessionFacts:
    """End an open session, so that it cannot be paid; return its state, complete where it was paid before."""
    try:
        return SessionFacts.of(call(lambda client: client.v1.checkout.sessions.expire(session_id)))
    except StripeRefused:
        return retrieve_session(session_id)


def create_portal(customer: str, language: str, return_url: str) -> str:
    """Return the address of a page where a customer changes cards and finds invoices; it works for minutes."""
    params: Any = {"customer": customer, "locale": language, "return_url": return_url}
    return call(lambda client: client.v1.billing_portal.sessions.create(params)).url


def _insist(ask: Callable[[StripeClient], Answer]) -> Answer:
    """Make a call, again where Stripe asks for a short wait: the other half of a double click is on its way."""
    for _ in range(_REPEATS):
        try:
            return call(ask)
        except StripeAway as error:
            if error.retry_after is None or error.retry_after > _SHORT_WAIT:
                raise
            sleep(error.retry_after)
    return call(ask)


def _create_coupon(order: Payment, cents: int, language: str) -> str:
    """Have the order's coupon made, which can be used once, or find it made before."""
    name = f"credit-{order.id}"
    params: Any = {
        "id": name,
        "amount_off": cents,
        "currency": order.currency,
        "duration": "once",
        "max_redemptions": 1,
        "name": "Temps restant" if language == FRENCH else "Time left",
        "metadata": {PAYMENT_KEY: str(order.id)},
    }
    options: Any = {"idempotency_key": name}
    try:
        _insist(lambda client: client.v1.coupons.create(params, options))
    except StripeRefused as error:
        if error.code != _EXISTS:
            raise
    return name


def _build_params(order: Payment, user: User, language: str, coupon: str | None) -> dict[str, Any]:
    name, wanted = str(order.id), plan(order.plan)
    front = settings().frontend_url
    metadata = {PAYMENT_KEY: name, "plan": order.plan.value}
    params: dict[str, Any] = {
        "mode": "subscription" if wanted.recurring else "payment",
        "adaptive_pricing": {"enabled": False},  # in euros, whatever the dashboard says
        "line_items": [_build_item(wanted)],
        "success_url": f"{front}/dashboard?payment=success&plan={order.plan.value}",
        "cancel_url": f"{front}/register?payment=cancelled",
        "client_reference_id": name,
        "locale": language,
        "expires_at": int(find_expiry(order).timestamp()),
        "allowed_payment_method_types": list(settings().stripe_payment_methods),
        "metadata": metadata,
        "subscription_data" if wanted.recurring else "payment_intent_data": {"metadata": metadata},
    }
    if user.stripe_customer_id:
        params["customer"] = user.stripe_customer_id
    else:
        params |= {"customer_email": user.email}
        params |= {} if wanted.recurring else {"customer_creation": "always"}
    if coupon:
        params["discounts"] = [{"coupon": coupon}]
    elif settings().stripe_promotion_codes:
        params["allow_promotion_codes"] = True
    return params


def _find_price(name: PlanName) -> str | None:
    now = settings()
    prices = {
        PlanName.URGENCE_24H: now.stripe_price_24h,
        PlanName.URGENCE_7J: now.stripe_price_7j,
        PlanName.URGENCE_TOTAL: now.stripe_price_total,
    }
    return prices[name]


def _build_item(plan: Plan) -> dict[str, Any]:
    if price := _find_price(plan.name):
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
