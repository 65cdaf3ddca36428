"""What a played course came to: from the sites' own counts and from the tables that the product wrote."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import median
from typing import Any

import sqlalchemy as sa

from api.models.base import session
from crawler.simulation.play import Played
from crawler.simulation.releases import Release
from crawler.simulation.site import Site
from crawler.simulation.world import START, desk_id

Figures = dict[str, Any]
_HOUR, _DAY = 3600, 86400
_SHARED = ((1, "1 desk"), (2, "2 desks"), (5, "3 to 5 desks"))
_INTERVALS = ((30, "≤ 30 s"), (60, "≤ 60 s"), (120, "≤ 120 s"), (300, "≤ 5 min"), (3599, "≤ 1 h"))
_CHECKS = sa.text(
    "SELECT desk_id, count(*) AS n, min(started_at) AS first, max(started_at) AS last FROM checks GROUP BY 1"
)
_SEEN = sa.text("SELECT desk_id, seen_at FROM detections ORDER BY seen_at")
_OUTCOMES = sa.text("SELECT outcome, count(*) AS n FROM checks GROUP BY 1 ORDER BY 2 DESC")
_DESKS = sa.text("SELECT id, wished_seconds, feasible_seconds FROM desks")


@dataclass
class DeskFigures:
    """One desk: its host, whether somebody waits; intervals in seconds; None where it was checked less than twice."""

    host: str
    paid: bool
    wished: float
    feasible: float
    achieved: float | None
    checks: int
    releases: Sequence[Release]
    seen: list[float]

    @property
    def effective(self) -> float:
        """The slower of wished and feasible."""
        return max(self.wished, self.feasible)

    def delays(self, until: float) -> Iterator[float | None]:
        """Yield for each release the seconds until it was detected; None: it was gone before anybody saw it."""
        ends = [*(each.begins for each in self.releases[1:]), until]
        for release, end in zip(self.releases, ends, strict=False):
            found = next((at for at in self.seen if release.begins <= at < end), None)
            if found is not None:
                yield found - release.begins
            elif release.ends < until:
                yield None


def figures(played: Played) -> Figures:
    """Return everything, for printing and for JSON; seconds unless the name says otherwise."""
    desks = _desks(played)
    sites = played.world.sites
    hours = played.course.hours
    return {
        "intervals": [
            _achieved(name, each) for name, each in _by(desks, lambda d: _sharing(d, sites)).items()
        ],
        "delays": [_delays(name, each, hours * _HOUR) for name, each in _by(desks, _interval).items()],
        "hosts": _hosts(sites.values(), hours),
        "bans": _bans(sites.values(), hours * _HOUR),
        "outcomes": _outcomes(),
        "real seconds": round(played.took, 1),
        "times faster": round(hours * _HOUR / played.took),
    }


def percentile(values: Iterable[float], share: float) -> float | None:
    """Return the value that `share` (0 to 1) of all stay within; None where there is none."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else None


def _desks(played: Played) -> list[DeskFigures]:
    with session() as rows:
        checks = {row.desk_id: row for row in rows.execute(_CHECKS)}
        kept = {row.id: row for row in rows.execute(_DESKS)}
        seen = defaultdict(list)
        for row in rows.execute(_SEEN):
            seen[row.desk_id].append(_since(row.seen_at))
    found = []
    for host, site in played.world.sites.items():
        for form in site.forms.values():
            name = desk_id(form.number)
            checked, desk = checks.get(name), kept[name]
            found.append(
                DeskFigures(
                    host=host,
                    paid=name in played.world.waits,
                    wished=desk.wished_seconds,
                    feasible=desk.feasible_seconds,
                    achieved=_achieved_interval(checked),
                    checks=checked.n if checked else 0,
                    releases=form.releases,
                    seen=seen[name],
                )
            )
    return found


def _achieved_interval(checked: Any) -> float | None:
    if checked is None or checked.n == 1:
        return None
    passed: timedelta = checked.last - checked.first
    return passed.total_seconds() / float(checked.n - 1)


def _since(instant: datetime) -> float:
    return (instant - START) / timedelta(seconds=1)


def _by(desks: Iterable[DeskFigures], name_of: Any) -> dict[str, list[DeskFigures]]:
    groups: dict[tuple[int, str], list[DeskFigures]] = defaultdict(list)
    for desk in desks:
        groups[name_of(desk)].append(desk)
    return {name: groups[order, name] for order, name in sorted(groups)}


def _sharing(desk: DeskFigures, sites: dict[str, Site]) -> tuple[int, str]:
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
        ((n, name) for n, (most, name) in enumerate(_INTERVALS) if desk.effective <= most + 0.01),
        (8, "slower"),
    )


def _achieved(name: str, desks: list[DeskFigures]) -> Figures:
    known = [desk for desk in desks if desk.achieved is not None]
    wished = [desk.achieved / desk.wished for desk in known if desk.achieved]
    effective = [desk.achieved / desk.effective for desk in known if desk.achieved]
    return {
        "host has": name,
        "desks": len(desks),
        "checks": sum(desk.checks for desk in desks),
        "checked < 2 times": len(desks) - len(known),
        "÷ wished p50": median(wished) if wished else None,
        "÷ wished max": max(wished, default=None),
        "÷ effective p50": median(effective) if effective else None,
        "÷ effective max": max(effective, default=None),
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


def _hosts(sites: Iterable[Site], hours: float) -> Figures:
    asked = [site.asked for site in sites]
    return {
        "hosts": len(asked),
        "requests": sum(asked),
        "requests a day and host, median": median(asked) * 24 / hours,
        "requests a day and host, max": max(asked) * 24 / hours,
        "most requests in 60 s": max(site.busiest for site in sites),
        "refused": sum(site.refused for site in sites),
    }


def _bans(sites: Iterable[Site], until: float) -> Figures:
    bans = [ban for site in sites for ban in site.bans]
    return {
        "bans": len(bans),
        "hosts banned": sum(bool(site.bans) for site in sites),
        "hours banned": sum(min(ban.ends, until) - ban.begins for ban in bans) / _HOUR,
        "longest, minutes": max((ban.ends - ban.begins for ban in bans), default=0) / 60,
    }


def _outcomes() -> dict[str, int]:
    with session() as rows:
        return {row.outcome: row.n for row in rows.execute(_OUTCOMES)}
