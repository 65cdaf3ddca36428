"""Status of everything, part by part: what `make status` shows and operators read through the API."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, is_dataclass
from datetime import datetime
from typing import Any

from pydantic import BaseModel

from api.health.alarm_overview import read_alarms
from api.health.check_lateness import read_lateness
from api.health.desk_overview import read_desks
from api.health.discovery_overview import read_discovery
from api.health.due_overview import read_due
from api.health.health_checks import HealthChecks, PartFinding, PartState, list_health_checks
from api.health.host_overview import read_hosts, read_outages
from api.health.job_overview import read_job_runs
from api.health.message_overview import read_messages, read_providers
from api.health.parallel_probe import ProbeDown, open_redis
from api.health.payment_overview import read_payments
from api.health.process_overview import read_spiders, read_workers
from api.health.queue_overview import read_jobs
from configs.proof_spool_status import SpoolReport, read_reports

Parts = dict[str, Any]


@dataclass(frozen=True, slots=True)
class HealthFinding:
    """A part of health, how it is, and why."""

    name: str
    state: PartState
    reason: str


def read_health() -> list[HealthFinding]:
    """Probe each part (api/health/health_checks.py), without the API, which may be down itself.

    Keys are left out: to check them takes the keys, and the right to read contacts.
    """
    checks = list_health_checks(open_redis())
    del checks["keys"]
    return list_findings(HealthChecks(checks).report())


def list_findings(report: Mapping[str, PartFinding]) -> list[HealthFinding]:
    """Return a report of health as a list."""
    return [HealthFinding(name, state, reason) for name, (state, reason) in report.items()]


def read_proofs() -> list[SpoolReport]:
    """Read the report of each machine's keeper on its spool.

    Raises:
        redis.RedisError: Redis is away.
    """
    return read_reports(open_redis())


READS: dict[str, Callable[[], Any]] = {
    "health": read_health,
    "alarms": read_alarms,
    "desks": read_desks,
    "hosts": read_hosts,
    "outages": read_outages,
    "due": read_due,
    "lateness": read_lateness,
    "jobs": read_jobs,
    "runs": read_job_runs,
    "messages": read_messages,
    "providers": read_providers,
    "payments": read_payments,
    "proofs": read_proofs,
    "discovery": read_discovery,
    "spiders": read_spiders,
    "workers": read_workers,
}


def find_trouble(parts: Parts) -> list[str]:
    """Return what is down: parts of health by their names, and parts that could not be asked."""
    silent = [name for name, found in parts.items() if isinstance(found, ProbeDown)]
    found = parts["health"]
    if isinstance(found, ProbeDown):
        return silent
    return silent + [each.name for each in found if each.state is PartState.DOWN]


def to_plain(value: Any, rename: Callable[[str], str] = str) -> Any:
    """Return a part as JSON values: instants as ISO 8601, fields of dataclasses and models as `rename` calls them."""
    if is_dataclass(value) and not isinstance(value, type):
        fields = {name: getattr(value, name) for name in value.__dataclass_fields__}
        return {rename(name): to_plain(each, rename) for name, each in fields.items()}
    if isinstance(value, BaseModel):
        return {rename(name): to_plain(getattr(value, name), rename) for name in type(value).model_fields}
    if isinstance(value, dict):
        return {str(key): to_plain(each, rename) for key, each in value.items()}
    if isinstance(value, list):
        return [to_plain(each, rename) for each in value]
    return value.isoformat().replace("+00:00", "Z") if isinstance(value, datetime) else value
