"""Metrics of a simulated run, from the sites' own counts and from the tables that the product wrote."""

from collections import defaultdict
from collections.abc import Iterable
from statistics import median
from typing import Any

import sqlalchemy as sa

from api.models.base import session
from deploy.simulation.measured import DeskFigures, measured
from deploy.simulation.runner import Played
from deploy.simulation.site import SimulatedSite

Figures = dict[str, Any]
_HOUR = 3600
_ABOUT = 1.05  # a desk without subscribers takes a little from the others
_SHARED = ((1, "1 desk"), (2, "2 desks"), (5, "3 to 5 desks"))
_INTERVALS = ((30, "≤ 30 s"), (60, "≤ 60 s"), (120, "≤ 120 s"), (300, "≤ 5 min"), (3599, "≤ 1 h"))
_OUTCOMES = sa.text("SELECT outcome, count(*) AS n FROM checks GROUP BY 1 ORDER BY 2 DESC")


def figures(played: Played) -> Figures:
    """Return everything, for printing and for JSON; seconds unless the name says otherwise."""
    desks = measured(played)
    sites = played.world.sites
    hours = played.course.hours
    return {
        "intervals": [
            _achieved(name, each) for name, each in _by(desks, lambda d: _sharing(d, sites)).items()
        ],
        "delays": [_delays(name, each, hours * _HOUR) for name, each in _by(desks, _interval).items()],
        "hosts": _hosts(sites.values(), hours),
        "bans": _bans(sites.values(), hours * _HOUR),
        "lateness": _lateness(played.lateness),
        "outcomes": _outcomes(),
        "CPU seconds": played.cpu,
        "real seconds": round(played.took, 1),
        "times faster": hours * _HOUR / played.took,
    }


def percentile(values: Iterable[float], share: float) -> float | None:
    """Return the value that `share` (0 to 1) of all stay within; None where there is none."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else None


def _by(desks: Iterable[DeskFigures], name_of: Any) -> dict[str, list[DeskFigures]]:
    groups: dict[tuple[int, str], list[DeskFigures]] = defaultdict(list)
    for desk in desks:
        groups[name_of(desk)].append(desk)
    return {name: groups[order, name] for order, name in sorted(groups)}


def _sharing(desk: DeskFigures, sites: dict[str, SimulatedSite]) -> tuple[int, str]:
    if not desk.paid:
        return 9, "nobody waits"
    on_host = len(sites[desk.host].forms)
    return next(
        ((n, name) for n, (most, name) in enumerate(_SHARED) if on_host <= most), (8, "6 desks or more")
    )


def _interval(desk: DeskFigures) -> tuple[int, str]:
    if not desk.paid:
        return 9, "nobody waits"
    return next(
        ((n, name) for n, (most, name) in enumerate(_INTERVALS) if desk.effective <= most * _ABOUT),
        (8, "slower"),
    )


def _achieved(name: str, desks: list[DeskFigures]) -> Figures:
    known = [desk for desk in desks if desk.achieved is not None]
    wished = [desk.achieved / desk.wished for desk in known if desk.achieved]
    effective = [desk.achieved / desk.effective for desk in known if desk.achieved]
    promised = [desk.achieved / desk.promised for desk in known if desk.achieved]
    return {
        "host has": name,
        "desks": len(desks),
        "checks": sum(desk.checks for desk in desks),
        "checked < 2 times": len(desks) - len(known),
        "÷ wished p50": median(wished) if wished else None,
        "÷ wished max": max(wished, default=None),
        "÷ effective p50": median(effective) if effective else None,
        "÷ effective max": max(effective, default=None),
        "÷ promised max": max(promised, default=None),
    }


def _delays(name: str, desks: list[DeskFigures], until: float) -> Figures:
    all_delays = [delay for desk in desks for delay in desk.delays(until)]
    known = [delay for delay in all_delays if delay is not None]
    return {
        "interval": name,
        "desks": len(desks),
        "releases": len(all_delays),
        "seen": len(known),
        "p50": percentile(known, 0.5),
        "p95": percentile(known, 0.95),
        "max": max(known, default=None),
    }


def _hosts(sites: Iterable[SimulatedSite], hours: float) -> Figures:
    asked = [site.asked for site in sites]
    return {
        "hosts": len(asked),
        "requests": sum(asked),
        "requests a day and host, median": median(asked) * 24 / hours,
        "requests a day and host, max": max(asked) * 24 / hours,
        "most requests in 60 s": max(site.busiest for site in sites),
        "refused": sum(site.refused for site in sites),
    }


def _bans(sites: Iterable[SimulatedSite], until: float) -> Figures:
    bans = [ban for site in sites for ban in site.bans]
    return {
        "bans": len(bans),
        "hosts banned": sum(bool(site.bans) for site in sites),
        "hours banned": sum(min(ban.ends, until) - ban.begins for ban in bans) / _HOUR,
        "longest, minutes": max((ban.ends - ban.begins for ban in bans), default=0) / 60,
    }


def _lateness(claims: list[float]) -> Figures:
    return {
        "claims": len(claims),
        "late p95": percentile(claims, 0.95),
        "late p99": percentile(claims, 0.99),
        "late max": max(claims, default=None),
    }


def _outcomes() -> dict[str, int]:
    with session() as rows:
        return {row.outcome: row.n for row in rows.execute(_OUTCOMES)}
