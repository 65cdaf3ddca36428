"""Webhooks that providers of messages call; the notifier handles what they send."""

from functools import partial
from typing import Any

from flask import Blueprint, request

import notifier
from api.middleware.request_bodies import webhook

blueprint = Blueprint("hooks", __name__, url_prefix="/api")


@blueprint.post("/telegram/webhook")
@webhook(partial(notifier.is_genuine, "telegram"))
def receive_telegram_update() -> dict[str, Any]:
    """Take one update of the bot. Telegram sends an update again until it gets a success."""
    notifier.receive("telegram", dict(request.headers), request.get_data())
    return {"received": True}
