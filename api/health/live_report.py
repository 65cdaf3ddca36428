"""The health checks of a running app, and what they find now."""

from flask import Flask, current_app
from redis.backoff import NoBackoff
from redis.retry import Retry

from api.health.health_checks import HealthChecks, find_worst_state, list_health_checks
from api.health.schemas import Health, Part
from configs.redis import redis_client

_EXTENSION = "probes"


def register_health_checks(app: Flask) -> None:
    """Give the app its health checks, which connect at their first run."""
    redis = redis_client()
    redis.set_retry(Retry(NoBackoff(), 0))  # the default retries for seconds
    app.extensions[_EXTENSION] = HealthChecks(list_health_checks(redis))


def read_live_report() -> Health:
    """Run the checks, and return what they find."""
    found = current_app.extensions[_EXTENSION].report()
    parts = {name: Part(status=state, reason=why) for name, (state, why) in found.items()}
    return Health(status=find_worst_state(found), parts=parts)
