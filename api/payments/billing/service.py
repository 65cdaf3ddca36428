"""Buying at Checkout and the customer portal: our row first, its commit, then Stripe.

No database connection is held while Stripe answers.
"""

import math
from uuid import UUID

import structlog

from api.ground.errors import ApiError
from api.models.base import session as open_session
from api.models.base import write_once
from api.models.payment import PaymentEventKind
from api.models.user import User
from api.models.watchability import find_watchable_desks
from api.payments.billing.orders import (
    PlacedOrder,
    check_order,
    end_order,
    forget_customer,
    note_session,
    place_order,
)
from api.payments.billing.schemas import CheckoutAnswer, NewOrder, UnwatchedDesk
from api.payments.exchange import checkout_calls
from api.payments.gateway.errors import StripeAway, StripeRefused
from api.payments.gateway.facts import SessionFacts
from api.payments.ledger.grants import end_unpaid_plans
from configs.ground.clock import clock
from configs.ground.text import choose_page_language
from configs.settings import settings

_COMPLETE = "complete"
_AGAIN = 5  # seconds, where Stripe did not say

log = structlog.get_logger(__name__)


def start_checkout(user_id: UUID, wish: NewOrder) -> CheckoutAnswer:
    """Return where an order is paid. The same order sent again within minutes leads to the same page.

    Raises:
        ApiError: 422 and 409 as in `check_order` and `place_order`; 409, an order was paid a moment ago; 503
            with Retry-After, Stripe does not answer.
    """
    with open_session() as s:
        found = check_order(s, user_id, wish)
        watched = len(find_watchable_desks(s))
    # A month whose days of grace are over must not be paid beside an order: the outbox asks Stripe within a second.
    if write_once(end_unpaid_plans, clock(), user_id):
        raise refuse_away(StripeAway("a subscription that was not paid is still to end"))
    for _ in range(2):  # the second time where the page that was known had expired
        order = write_once(place_order, user_id, wish)
        url = _ask_for_page(order)
        if url:
            return CheckoutAnswer(
                checkout_url=url,
                payment_id=order.payment.id,
                expires_at=checkout_calls.find_expiry(order.payment),
                desks_watched=watched,
                not_watched=[UnwatchedDesk.of_standing(each) for each in found.unwatchable] if found else [],
                begins_at=order.begins_at,
            )
    raise ApiError(409, "order-expired", "this order's page has expired: send the order again")


def open_portal(user: User) -> str:
    """Return the address of the customer portal.

    Raises:
        ApiError: 409, nothing was paid yet; 503 with Retry-After, Stripe does not answer.
    """
    if user.stripe_customer_id is None:
        raise _refuse_portal()
    language, back = choose_page_language(user.language), f"{settings().frontend_url}/dashboard"
    try:
        return checkout_calls.create_portal(user.stripe_customer_id, language, back)
    except StripeAway as error:
        raise refuse_away(error) from error
    except StripeRefused as error:
        if error.param == "customer":
            write_once(forget_customer, user.stripe_customer_id)
            raise _refuse_portal() from error
        log.exception("the portal was refused", user=str(user.id))
        raise ApiError(503, "stripe-refused", "the portal cannot be opened: write to support") from error


def _refuse_portal() -> ApiError:
    detail = "the portal opens with the first payment: POST /api/billing/checkout"
    return ApiError(409, "no-payment-yet", detail)


def refuse_away(error: StripeAway) -> ApiError:
    """Return the refusal of a request that needs Stripe while it is away."""
    seconds = max(1, math.ceil(error.retry_after or _AGAIN))
    detail = "payments are not possible just now: try again in a moment; nothing was charged"
    return ApiError(503, "payments-away", detail, headers={"Retry-After": str(seconds)})


def _ask_for_page(order: PlacedOrder) -> str | None:
    """Return the page of an order, made now or before; None where it has expired."""
    try:
        _end_replaced(order)
        page = checkout_calls.retrieve_session(order.session_id) if order.session_id else _create(order)
    except StripeAway as error:
        if not error.saved:
            raise refuse_away(error) from error
        page = None  # Stripe keeps this error for a day: the order begins again
    except StripeRefused as error:
        customer = order.user.stripe_customer_id
        if not (customer and error.param == "customer"):
            log.exception("an order was refused", payment=str(order.payment.id))
            write_once(end_order, order.payment.id, PaymentEventKind.FAILED, reason=error.code)
            detail = "this order cannot be paid just now, which is our fault: write to support"
            raise ApiError(503, "stripe-refused", detail, headers={"Retry-After": "60"}) from error
        write_once(forget_customer, customer)
        page = None  # the customer was deleted at Stripe: the order begins again, without one
    if page and page.status == _COMPLETE:
        raise _refuse_paid()
    if page and page.url:
        return page.url
    write_once(end_order, order.payment.id, PaymentEventKind.EXPIRED)
    return None


def _create(order: PlacedOrder) -> SessionFacts:
    made = checkout_calls.create_session(order.payment, order.user, order.credit_cents)
    waits = write_once(note_session, order.payment.id, made.id)
    return made if waits else checkout_calls.expire_session(made.id)  # another order replaced it meanwhile


def _end_replaced(order: PlacedOrder) -> None:
    """End the pages that must not be paid beside this order, or raise 409: one of them was paid a moment ago."""
    for payment_id, page in order.replaced:
        if page and checkout_calls.expire_session(page).status == _COMPLETE:
            write_once(end_order, order.payment.id, PaymentEventKind.FAILED, reason="another order was paid")
            raise _refuse_paid()
        write_once(end_order, payment_id, PaymentEventKind.EXPIRED)


def _refuse_paid() -> ApiError:
    detail = "an order was paid a moment ago: GET /api/billing/history shows it, then choose again"
    return ApiError(409, "already-paid", detail)
