"""Routes of /api/billing: what Stripe calls."""

from typing import Any

from flask import request
from flask_openapi3.blueprint import APIBlueprint
from flask_openapi3.models.tag import Tag

from api.billing.schemas import EventReceived
from api.middleware.openapi_helpers import declare_errors, make_operation_id
from api.middleware.request_bodies import webhook
from api.payments.webhook import is_genuine, receive_event

blueprint = APIBlueprint(
    "billing",
    __name__,
    url_prefix="/api/billing",
    operation_id_callback=make_operation_id,
    abp_tags=[Tag(name="billing", description="Plans, payments and refunds")],
)


@blueprint.post("/webhook", responses={200: EventReceived, **declare_errors(400, 403, 413)})
@webhook(lambda headers, body: is_genuine(headers.get("Stripe-Signature", ""), body))
def receive_stripe_event() -> dict[str, Any]:
    """Take one event of Stripe's, which sends it again until it gets a success; it is applied in the background."""
    receive_event(request.get_data())
    return EventReceived().as_json()
