"""Bodies about an organisation's programs: its API keys, its webhooks, and the people whom they ask for."""

from datetime import datetime
from typing import Annotated
from urllib.parse import urlsplit
from uuid import UUID

from pydantic import Field

from api.ground.schemas import Answer, Body, name_rule
from api.models.organisation_access import KeyScope, WebhookEnd, WebhookEvent
from configs.ground.addresses import is_loopback
from configs.ground.public_addresses import is_public, parse_address
from configs.settings import settings
from configs.world.desk import Text, check_web_address

_Name = Annotated[Text, Field(max_length=100, examples=["Notre tableau"])]


def _receiver_address(text: str) -> str:
    """Return an address that webhooks may be sent to, as far as that shows before its name is looked up."""
    parts = urlsplit(check_web_address(text))
    host, is_local = parts.hostname or "", settings().loopback_only
    if parts.scheme != "https" and not (is_local and is_loopback(host)):
        raise ValueError("must begin with https://")
    address = parse_address(host)
    if ((address and not is_public(address)) or is_loopback(host)) and not is_local:
        raise ValueError("is not on the public internet")
    return text


class NewKey(Body):
    """An API key to make: what it is for, and what it may do."""

    name: _Name
    scopes: Annotated[list[KeyScope], Field(min_length=1, max_length=len(KeyScope))]


class NewWebhook(Body):
    """An address to be told of events."""

    url: Annotated[str, Field(max_length=500), name_rule("receiver", _receiver_address)]
    events: Annotated[list[WebhookEvent], Field(min_length=1, max_length=len(WebhookEvent))]


class KeyAnswer(Answer):
    """An API key, without its text."""

    id: UUID
    name: str
    scopes: list[KeyScope]
    created_at: datetime
    last_used_at: datetime | None
    ended_at: datetime | None


class DeliveryAnswer(Answer):
    """An event of a webhook: `answer` is the last one, `nextAttemptAt` null where it is delivered or given up."""

    id: UUID
    event: str
    created_at: datetime
    attempts: int
    answer: str | None
    delivered_at: datetime | None
    next_attempt_at: datetime | None


class WebhookAnswer(Answer):
    """A webhook, without its secret, and its newest events."""

    id: UUID
    url: str
    events: list[WebhookEvent]
    created_at: datetime
    ended_at: datetime | None
    ended_because: WebhookEnd | None
    deliveries: list[DeliveryAnswer]
