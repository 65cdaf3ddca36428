"""Webhooks that providers of messages call; the notifier handles what they send."""

from functools import partial
from typing import Any

from flask import request
from flask_openapi3.blueprint import APIBlueprint
from flask_openapi3.models.tag import Tag

import notifier
from api.hooks.schemas import Received
from api.middleware.openapi_helpers import declare_errors, make_operation_id
from api.middleware.request_bodies import webhook

blueprint = APIBlueprint(
    "hooks",
    __name__,
    url_prefix="/api",
    operation_id_callback=make_operation_id,
    abp_tags=[Tag(name="webhooks", description="Calls of providers, signed by them")],
)


@blueprint.post("/telegram/webhook", responses={200: Received, **declare_errors(403, 413)})
@webhook(partial(notifier.is_genuine, "telegram"))
def receive_telegram_update() -> dict[str, Any]:
    """Take one update of the bot. Telegram sends an update again until it gets a success."""
    notifier.receive("telegram", dict(request.headers), request.get_data())
    return Received().as_json()
