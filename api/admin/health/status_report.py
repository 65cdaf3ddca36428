"""Status of everything, part by part: what `make status`, the operators' page and the API show."""

from collections.abc import Callable, Mapping
from typing import Any

from api.admin.health.checks import CHECKS, HealthChecks
from api.admin.health.figures import READS
from api.admin.health.findings import PartFinding, PartState
from api.admin.health.reading import PartAway, read_each
from configs.ground.redis import open_redis

HEALTH = "health"
Parts = dict[str, Any]


def read_parts(
    read_health: Callable[[], Mapping[str, PartFinding]], also: Mapping[str, Callable[[], Any]] | None = None
) -> Parts:
    """Return each part of the status, or why it is away; after some seconds at the latest."""

    def list_health() -> list[dict[str, Any]]:
        found = read_health().items()
        return [{"name": name, "state": each.state, "reason": each.reason} for name, each in found]

    return read_each({HEALTH: list_health} | READS | dict(also or {}))


def read_health() -> dict[str, PartFinding]:
    """Ask each check without the API, which may be down itself.

    Keys are left out: to check them takes the keys, and the right to read contacts.
    """
    return HealthChecks(open_redis(), [each for each in CHECKS if each.name != "keys"]).read_findings()


def find_trouble(parts: Parts) -> list[str]:
    """Return what is down: parts of health by their names, and parts that could not be asked."""
    silent = [name for name, found in parts.items() if isinstance(found, PartAway)]
    health = parts[HEALTH]
    if isinstance(health, PartAway):
        return silent
    return silent + [each["name"] for each in health if each["state"] is PartState.DOWN]
