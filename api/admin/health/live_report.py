"""The health of a running app, and what it finds now."""

from datetime import datetime

from flask import Flask, current_app

from api.admin.health.checks import HealthChecks, find_worst_state
from api.ground.schemas import Answer
from configs.ground.redis import open_redis

_EXTENSION = "health"


class Part(Answer):
    """One thing that must work: `ok`, `degraded` (alerts still go out) or `down`, and why."""

    status: str
    reason: str


class Health(Answer):
    """All parts; `status` is that of the worst. `reported_at`: when each program last reported, where it did lately."""

    status: str
    parts: dict[str, Part]
    reported_at: dict[str, datetime]


class Live(Answer):
    """The process answers."""

    status: str = "ok"


def register_health(app: Flask) -> None:
    """Give the app its health checks, which connect at their first run."""
    app.extensions[_EXTENSION] = HealthChecks(open_redis())


def get_health() -> HealthChecks:
    """Return the app's health checks."""
    found: HealthChecks = current_app.extensions[_EXTENSION]
    return found


def read_live_report() -> Health:
    """Run the checks, and return what everybody may read."""
    found = get_health().read_findings()
    parts = {name: Part(status=each.state, reason=each.reason) for name, each in found.items()}
    reported_at = get_health().read_report_times()
    return Health(status=find_worst_state(found), parts=parts, reported_at=reported_at)
