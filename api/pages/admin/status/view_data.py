"""View data of the status: the parts that `make status` shows, as sections in French."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

import structlog

from api.health.parallel_probe import ProbeDown
from api.health.status_report import Parts, find_trouble
from api.pages.admin.status import service_lines, watching_lines
from api.pages.admin.status.line import BAD, Line
from configs.clock import clock
from configs.settings import settings

_SECTIONS: Mapping[str, tuple[str, Callable[[Any], list[Line]]]] = {
    "health": ("Santé", service_lines.list_health_lines),
    "alarms": ("Alarmes", service_lines.list_alarm_lines),
    "desks": ("Guichets", watching_lines.list_desk_lines),
    "hosts": ("Sites", watching_lines.list_host_lines),
    "outages": ("Interruptions", watching_lines.list_outage_lines),
    "due": ("Files des guichets", watching_lines.list_due_lines),
    "lateness": ("Ponctualité", watching_lines.list_lateness_lines),
    "messages": ("Messages", service_lines.list_message_lines),
    "providers": ("Fournisseurs", service_lines.list_provider_lines),
    "jobs": ("Files de travaux", service_lines.list_queue_lines),
    "runs": ("Tâches de fond", service_lines.list_run_lines),
    "payments": ("Paiements", service_lines.list_payment_lines),
    "proofs": ("Preuves", service_lines.list_proof_lines),
    "discovery": ("Découverte", watching_lines.list_discovery_lines),
    "spiders": ("Robots", watching_lines.list_spider_lines),
    "workers": ("Exécutants", service_lines.list_worker_lines),
}
log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Section:
    """One part of the status."""

    title: str
    lines: list[Line]


@dataclass(frozen=True, slots=True)
class StatusView:
    """All parts; `down` names, as programs do, what does not work."""

    at: datetime
    environment: str
    down: list[str]
    sections: list[Section]

    @classmethod
    def build(cls, parts: Parts) -> Self:
        """Return what is shown of the parts. One that is down, or cannot be written, hides no other."""
        sections = [
            Section(title, _list_lines(parts[name], write)) for name, (title, write) in _SECTIONS.items()
        ]
        return cls(clock(), settings().app_env, find_trouble(parts), sections)


def _list_lines(found: Any, write: Callable[[Any], list[Line]]) -> list[Line]:
    if isinstance(found, ProbeDown):
        return [Line("Ne répond pas", BAD, found.down)]
    try:
        return write(found)
    except Exception as error:
        log.exception("a part of the status cannot be shown: `make status` shows it", part=write.__name__)
        return [Line("Ne peut pas être affiché : voyez `make status`", BAD, type(error).__name__)]
