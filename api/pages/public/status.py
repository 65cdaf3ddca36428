"""Page of the service's state: the findings of GET /api/health in plain words, and the month by our own records."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from flask import Response, make_response, render_template
from flask_babel import LazyString, lazy_gettext

from api.admin.health.findings import PartState
from api.admin.health.live_report import Health, read_live_report
from api.admin.incidents import list_part_troubles
from api.ground.cache import answer_cache
from api.models.base import session
from api.pages.area import Access, Area, answer_live
from api.pages.words import DOUBTED, classify_watch
from api.prefectures.queries import build_map_key, read_map
from api.prefectures.schemas import TileMap
from api.web.public_answers import read_cached, read_unless_away
from configs.ground.clock import clock

_l = lazy_gettext
_ORDER = list(PartState)
_KEPT = "public, max-age=5"
_MONTH, _MONTH_SECONDS = timedelta(days=30), 300.0
area = Area("status", __name__)


@dataclass(frozen=True, slots=True)
class Service:
    """A service, and the parts of health that it needs; `checks:x` is a part of `checks`."""

    name: LazyString
    purpose: LazyString
    parts: frozenset[str]


SENDING = Service(
    _l("Envoi des alertes"),
    _l("Une place vue part aussitôt par e-mail, notification, Telegram, SMS ou appel."),
    frozenset(
        {"workers", "providers", "messages", "delivery", "ceilings", "keys", "eviction", "database", "redis"}
    ),
)
SERVICES = (
    Service(
        _l("Surveillance des pages"),
        _l("Nous regardons les pages de rendez-vous."),
        frozenset({"scrapyd", "planner", "checks", "database", "redis"}),
    ),
    SENDING,
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


def _find_worst(service: Service, health: Health) -> PartState:
    states = [
        PartState(part.status) for name, part in health.parts.items() if name.split(":")[0] in service.parts
    ]
    return max(states, key=_ORDER.index, default=PartState.OK)


@area.page("/statut", Access.PUBLIC)
def show_status() -> Response:
    """Show each service with its state; readable without scripts."""
    response = make_response(render_template("status/status.html", view=_read_status()))
    response.headers["Cache-Control"] = _KEPT
    return response


@area.page("/statut/en-direct", Access.PUBLIC, polled=True)
def show_live() -> Response:
    """Answer the same part as JSON for the page that is open."""
    response = answer_live({"state": render_template("status/state.html", view=_read_status())})
    response.headers["Cache-Control"] = _KEPT
    return response


def _read_status() -> dict[str, Any]:
    """Return what was found within the last seconds; read at once while Redis, which keeps it, is away."""
    found = answer_cache().get("status", lambda: read_live_report().as_bytes())
    health = Health.model_validate_json(found.body)
    return {
        "state": PartState(health.status),
        "services": [{"service": each, "state": _find_worst(each, health)} for each in SERVICES],
        "sends": _find_worst(SENDING, health) is PartState.OK,  # only then alerts leave as usual
        "parts": health.parts,  # as health names them
        "at": found.built_at,
        "month": _read_month(),
        "doubted": _count_doubted(),  # departments without a sure answer
    }


def _read_month() -> list[tuple[Service, int, float]] | None:
    """Return how often each service was ill within thirty days, and for how many seconds in all.

    None while neither Redis nor the database answers.
    """
    kept = read_unless_away(lambda: answer_cache().get("status-month", _build_month, _MONTH_SECONDS))
    if kept is None:
        return None
    return [(service, *each) for service, each in zip(SERVICES, json.loads(kept.body), strict=True)]


def _build_month() -> bytes:
    with session() as s:
        troubles = list_part_troubles(s, clock() - _MONTH)
    mine = ([span for part, *span in troubles if part in each.parts] for each in SERVICES)
    return json.dumps([_sum_up(each) for each in mine]).encode()


def _sum_up(spans: Iterable[Sequence[datetime]]) -> tuple[int, float]:
    """Return the number of times in which at least one of the parts was ill, and their seconds; spans by begin."""
    number, seconds, reached = 0, 0.0, None
    for begin, end in spans:
        if reached is None or begin > reached:
            number, reached = number + 1, begin
        seconds += max((end - reached).total_seconds(), 0)
        reached = max(end, reached)
    return number, seconds


def _count_doubted() -> int:
    """Return in how many departments the last proof of what is watched is old; 0 while the database is away."""
    found = read_unless_away(lambda: read_cached(TileMap, build_map_key(None), lambda s: read_map(s, None)))
    return sum(classify_watch(each) == DOUBTED for each in found.items) if found else 0
