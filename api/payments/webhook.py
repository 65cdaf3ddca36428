"""Stripe's webhook: is a call genuine, what does it name, and the nudge of the job that applies it."""

from typing import Annotated, Literal

import structlog
from pydantic import BaseModel, Field, StringConstraints, ValidationError
from redis.exceptions import RedisError

from api.errors import ApiError
from api.models.base import session
from api.models.job import PAYMENTS
from api.payments.client import is_signed
from api.payments.event_store import store_event
from api.payments.objects import types_by_event
from configs.ground.background_nudges import nudge
from configs.ground.clock import clock
from configs.settings import SettingMissing, settings
from configs.settings.production_checks import STRIPE_LIVE_KEYS

# How far the time in a webhook's signature may be from ours, in both directions
_WEBHOOK_TOLERANCE_SECONDS = 300

# What can be stored as one of Stripe's ids and names, which are plain ASCII.
Word = Annotated[str, StringConstraints(pattern="^[ -~]{1,255}$")]

log = structlog.get_logger(__name__)


class _Subject(BaseModel):
    object: Word | None = None
    id: Word | None = None


class _Data(BaseModel):
    object: _Subject


class _Event(BaseModel, strict=True):
    object: Literal["event"]
    id: Word
    type: Word
    api_version: Word | None = None
    created: Annotated[int, Field(ge=0, lt=1 << 33)]
    livemode: bool
    data: _Data


def is_genuine(header: str, body: bytes) -> bool:
    """Return whether Stripe signed the body with one of our secrets, not long ago and not in the future.

    `header` is Stripe-Signature. Reads no table. Stripe's library accepts any time in the future, so the time is
    checked here.
    https://docs.stripe.com/webhooks/signature
    """
    if not (header.isascii() and _is_recent(header)):
        return False
    try:
        secrets = settings().require_all("stripe_webhook_secret")
    except SettingMissing:
        return False
    return any(is_signed(body, header, secret) for secret in secrets)


def receive_event(body: bytes) -> None:
    """Store the event of a genuine call, then nudge its job. A repeated event is stored once.

    Raises:
        api.errors.ApiError: 400, it is no event, or one of Stripe's other mode.
    """
    try:
        event = _Event.model_validate_json(body)
    except ValidationError:
        raise ApiError(400, "malformed", "this is no event of Stripe's") from None
    if event.livemode is not _is_live():
        raise ApiError(400, "wrong-mode", "this event is of Stripe's other mode, live or test: check the key")
    with session() as s:
        waits = store_event(s, event.model_dump(), known=event.type in types_by_event())
    if waits:
        nudge_event(event.id)


def nudge_event(event_id: str) -> None:
    """Have a stored event applied now; where Redis is away the sweep finds it."""
    try:
        nudge(PAYMENTS, "apply_event", event_id)
    except RedisError as error:
        log.warning("not nudged, the sweep will", stripe_event=event_id, because=type(error).__name__)


def _is_recent(header: str) -> bool:
    """Return whether the time of a signature is near ours; the library reads the first one too."""
    stamps = [part[2:] for part in header.split(",") if part.startswith("t=")]
    if not stamps or not (stamps[0].isascii() and stamps[0].isdigit()):
        return False
    return abs(clock().timestamp() - int(stamps[0][:15])) <= _WEBHOOK_TOLERANCE_SECONDS


def _is_live() -> bool:
    key = settings().stripe_secret_key
    return key is not None and key.get_secret_value().startswith(STRIPE_LIVE_KEYS)
