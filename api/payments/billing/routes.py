"""Routes of /api/billing: plans, quotes, orders, the history, cancelling, and what Stripe calls."""

from typing import Any

from flask import Response, request

from api.ground.paging import PageQuery
from api.models.base import read_once
from api.payments.billing import queries, service
from api.payments.billing.plan_ends import refund_closed_desk
from api.payments.billing.quotes import build_quote
from api.payments.billing.schemas import (
    CheckoutAnswer,
    ClosedDeskChoice,
    ClosedDeskRefund,
    EventReceived,
    HistoryPage,
    NewOrder,
    PlanList,
    PortalAnswer,
    QuoteAnswer,
    QuoteQuery,
    TermsAnswer,
)
from api.payments.exchange.events import is_genuine, receive_event
from api.web.auth import current_user, current_user_id
from api.web.openapi import BEARER, BODY, declare_errors, make_blueprint
from api.web.public_answers import answer_public
from api.web.request_bodies import webhook
from configs.world.plan import PlanName

blueprint = make_blueprint("billing", __name__, "/api/billing", "billing", "Plans, payments and refunds")


@blueprint.get("/plans", responses={200: PlanList, **declare_errors()})
def list_plans() -> Response:
    """List the plans that are sold, the version of the terms, and what an order's boxes say."""
    return answer_public(queries.list_plans().as_bytes())


@blueprint.get("/terms", responses={200: TermsAnswer, **declare_errors()})
def show_terms() -> Response:
    """Show the terms of sale that an order accepts."""
    return answer_public(queries.get_terms().as_bytes())


@blueprint.get("/quote", security=BEARER, responses={200: QuoteAnswer, **declare_errors(401, 409, 422)})
def show_quote(query: QuoteQuery) -> dict[str, Any]:
    """Show what a plan would cost now, what is credited, and from when to when it would run."""
    return read_once(build_quote, current_user(), PlanName(query.plan)).as_json()


@blueprint.post(
    "/checkout", security=BEARER, responses={200: CheckoutAnswer, **declare_errors(*BODY, 401, 409)}
)
def start_checkout(body: NewOrder) -> dict[str, Any]:
    """Order a plan, and the alert that its payment creates. Sent twice, the same order leads to the same page.

    An alert whose desks cannot be watched is refused before anything is paid.
    """
    return service.start_checkout(current_user_id(), body).as_json()


@blueprint.get("/history", security=BEARER, responses={200: HistoryPage, **declare_errors(401, 422)})
def list_payments(query: PageQuery) -> dict[str, Any]:
    """List the user's payments, the newest first, each with its credits and refunds and their reasons."""
    return read_once(queries.list_history, current_user_id(), query).as_json()


@blueprint.post(
    "/closed-desk-refund",
    security=BEARER,
    responses={200: ClosedDeskRefund, **declare_errors(*BODY, 401, 404, 409)},
)
def choose_refund(body: ClosedDeskChoice) -> dict[str, Any]:
    """End the paid plan and refund its time left, where all desks of an alert have closed for good.

    The other choice is another desk: PATCH /api/alerts/{id}.
    """
    return refund_closed_desk(current_user_id(), body.alert_id).as_json()


@blueprint.post("/portal", security=BEARER, responses={200: PortalAnswer, **declare_errors(401, 409)})
def open_portal() -> dict[str, Any]:
    """Open Stripe's portal, where cards are changed and invoices found."""
    return PortalAnswer(portal_url=service.open_portal(current_user())).as_json()


@blueprint.post("/webhook", responses={200: EventReceived, **declare_errors(400, 403, 413)})
@webhook(lambda headers, body: is_genuine(headers.get("Stripe-Signature", ""), body))
def receive_stripe_event() -> dict[str, Any]:
    """Take one event of Stripe's, which sends it again until it gets a success; it is applied in the background."""
    receive_event(request.get_data())
    return EventReceived().as_json()
