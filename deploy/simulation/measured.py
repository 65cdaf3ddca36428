"""Results per desk of a simulated world, read from the tables."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from api.models.base import session
from deploy.simulation.releases import SimulatedRelease
from deploy.simulation.runner import Played
from deploy.simulation.world import START, desk_id

_CHECKS = sa.text(
    "SELECT desk_id, count(*) AS n, min(started_at) AS first, max(started_at) AS last FROM checks GROUP BY 1"
)
_SEEN = sa.text("SELECT desk_id, seen_at FROM detections ORDER BY seen_at")
_DESKS = sa.text("SELECT id, wished_seconds, share_seconds, feasible_seconds FROM desks")


@dataclass
class DeskFigures:
    """One desk: its host, whether somebody waits; intervals in seconds; None where it was checked less than twice."""

    host: str
    paid: bool
    wished: float
    share: float
    feasible: float
    achieved: float | None
    checks: int
    releases: Sequence[SimulatedRelease]
    seen: list[float]

    @property
    def effective(self) -> float:
        """The slower of what it wishes and what its share of the budget allows."""
        return max(self.wished, self.share)

    @property
    def promised(self) -> float:
        """The slower of what it wishes and what is feasible: what people are shown."""
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


def measured(played: Played) -> list[DeskFigures]:
    """Return every desk's figures."""
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
                    share=desk.share_seconds,
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
