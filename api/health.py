"""/api/health: whether people are told. Not counted by rate limits."""

from typing import Any

from flask import Flask, current_app
from flask_openapi3.blueprint import APIBlueprint
from flask_openapi3.models.tag import Tag
from redis.backoff import NoBackoff
from redis.retry import Retry

from api.documents import operation_id, problems
from api.probes import PartState, Probes, probes, worst
from api.schemas.health import Health, Live, Part
from configs.redis import redis_client

_EXTENSION = "probes"

blueprint = APIBlueprint(
    "health",
    __name__,
    url_prefix="/api/health",
    operation_id_callback=operation_id,
    abp_tags=[Tag(name="health", description="Whether people are told")],
)


def keep_probes(app: Flask) -> None:
    """Give the app its probes, which open connections when they are first asked."""
    redis = redis_client()
    redis.set_retry(Retry(NoBackoff(), 0))  # its own default tries for seconds: health says what is now
    app.extensions[_EXTENSION] = Probes(probes(redis))


@blueprint.get("", responses={**problems(), 200: Health, 503: Health})
def health() -> tuple[dict[str, Any], int]:
    """Tell whether each part works; 503 when one without which nobody is told does not."""
    return _report()


@blueprint.get("/ready", responses={**problems(), 200: Health, 503: Health})
def ready() -> tuple[dict[str, Any], int]:
    """Tell the same: ready means that whoever comes now is served whole."""
    return _report()


@blueprint.get("/live", responses={200: Live, **problems()})
def live() -> dict[str, Any]:
    """Tell that this process answers; nothing else is touched."""
    return Live().as_json()


def _report() -> tuple[dict[str, Any], int]:
    found = current_app.extensions[_EXTENSION].report()
    parts = {name: Part(status=state, reason=why) for name, (state, why) in found.items()}
    whole = worst(found)
    return Health(status=whole, parts=parts).as_json(), 503 if whole is PartState.DOWN else 200
