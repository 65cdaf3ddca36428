"""Routes of /api/health. Rate limits do not count them."""

from typing import Any

from flask import Flask, current_app
from flask_openapi3.blueprint import APIBlueprint
from flask_openapi3.models.tag import Tag
from redis.backoff import NoBackoff
from redis.retry import Retry

from api.health.health_checks import HealthChecks, PartState, find_worst_state, list_health_checks
from api.health.schemas import Health, Live, Part
from api.middleware.openapi_helpers import declare_errors, make_operation_id
from configs.redis import redis_client

_EXTENSION = "probes"

blueprint = APIBlueprint(
    "health",
    __name__,
    url_prefix="/api/health",
    operation_id_callback=make_operation_id,
    abp_tags=[Tag(name="health", description="Whether people are told")],
)


def register_health_checks(app: Flask) -> None:
    """Give the app its health checks, which connect at their first run."""
    redis = redis_client()
    redis.set_retry(Retry(NoBackoff(), 0))  # the default retries for seconds
    app.extensions[_EXTENSION] = HealthChecks(list_health_checks(redis))


@blueprint.get("", responses={**declare_errors(), 200: Health, 503: Health})
def health() -> tuple[dict[str, Any], int]:
    """Tell whether each part works; 503 when one without which nobody is told does not."""
    return _build_report()


@blueprint.get("/ready", responses={**declare_errors(), 200: Health, 503: Health})
def ready() -> tuple[dict[str, Any], int]:
    """Tell the same: ready means that whoever comes now is served whole."""
    return _build_report()


@blueprint.get("/live", responses={200: Live, **declare_errors()})
def live() -> dict[str, Any]:
    """Tell that this process answers; nothing else is touched."""
    return Live().as_json()


def _build_report() -> tuple[dict[str, Any], int]:
    found = current_app.extensions[_EXTENSION].report()
    parts = {name: Part(status=state, reason=why) for name, (state, why) in found.items()}
    whole = find_worst_state(found)
    return Health(status=whole, parts=parts).as_json(), 503 if whole is PartState.DOWN else 200
