"""The parts of health as the services that people know, in the page's language."""

from dataclasses import dataclass
from datetime import datetime
from typing import Self

from flask_babel import LazyString, lazy_gettext

from api.admin.health.findings import PartState
from api.admin.health.schemas import Health, Part

_l = lazy_gettext
_ORDER = list(PartState)


@dataclass(frozen=True, slots=True)
class Service:
    """A service, and the parts of health that it needs; `checks:x` is a part of `checks`."""

    name: LazyString
    purpose: LazyString
    parts: frozenset[str]


SERVICES = (
    Service(
        _l("Surveillance des pages"),
        _l("Nous regardons les pages de rendez-vous."),
        frozenset({"scrapyd", "planner", "checks", "database", "redis"}),
    ),
    Service(
        _l("Envoi des alertes"),
        _l("Un créneau vu part aussitôt par e-mail, notification, Telegram, SMS ou appel."),
        frozenset(
            {
                "workers",
                "providers",
                "messages",
                "delivery",
                "ceilings",
                "keys",
                "eviction",
                "database",
                "redis",
            }
        ),
    ),
    Service(
        _l("Site et comptes"),
        _l("Les pages, la connexion et vos alertes."),
        frozenset({"certificate", "streams", "database", "redis"}),
    ),
    Service(
        _l("Paiements"),
        _l("Commandes, remboursements et temps rendu."),
        frozenset({"payments", "background", "database"}),
    ),
    Service(
        _l("Preuves et historique"),
        _l("Copies des pages et chiffres de fiabilité."),
        frozenset({"proofs", "partitions", "background", "backups"}),
    ),
)


@dataclass(frozen=True, slots=True)
class ServiceState:
    """A service and the worst state of its parts."""

    service: Service
    state: PartState


@dataclass(frozen=True, slots=True)
class StatusView:
    """All services, and the parts as health names them."""

    state: PartState
    services: list[ServiceState]
    parts: dict[str, Part]
    at: datetime

    @classmethod
    def build(cls, health: Health, at: datetime) -> Self:
        """Return what is shown of a report that was made at an instant."""
        services = [ServiceState(each, _find_worst(each, health)) for each in SERVICES]
        return cls(PartState(health.status), services, health.parts, at)


def _find_worst(service: Service, health: Health) -> PartState:
    states = [
        PartState(part.status) for name, part in health.parts.items() if name.split(":")[0] in service.parts
    ]
    return max(states, key=_ORDER.index, default=PartState.OK)
