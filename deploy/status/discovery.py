"""The walks of the prefectures' own sites: the last one, what it found, and desks whose page seems to have moved."""

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from rich.text import Text

from api.models.discovery import DiscoveryRun, Drift
from configs.clock import clock
from configs.formatting import format_duration, pluralize
from deploy.status.parallel_probe import tables
from deploy.status.text import DIM, GOOD, ODD, first, line


@dataclass(frozen=True, slots=True)
class Walk:
    """One walk; `ended_at` None: it goes on. `cut`: its time was up first. `found`: pages that no desk file has."""

    started_at: datetime
    ended_at: datetime | None
    cut: bool
    pages: int
    found: int


@dataclass(frozen=True, slots=True)
class Moved:
    """A desk that is out of sale because its page seems to have moved."""

    desk: str
    reason: str
    detail: str
    since: datetime


@dataclass(frozen=True, slots=True)
class Discovery:
    """The newest walk, and the drifts that are open, oldest first."""

    last: Walk | None
    drifts: list[Moved]


def read_discovery() -> Discovery:
    """Read the tables."""
    newest = sa.select(DiscoveryRun).order_by(DiscoveryRun.started_at.desc()).limit(1)
    still = sa.select(Drift).where(Drift.ends_at.is_(None)).order_by(Drift.starts_at, Drift.desk_id)
    with tables() as s:
        run = s.scalar(newest)
        return Discovery(
            Walk(run.started_at, run.ended_at, run.cut, run.pages, run.found) if run else None,
            [Moved(row.desk_id, row.reason, row.detail, row.starts_at) for row in s.scalars(still)],
        )


def lines(part: Discovery) -> list[Text]:
    """Say it."""
    return [_walk_line(part.last), *first([_drift_line(each) for each in part.drifts], "drifts")]


def _walk_line(last: Walk | None) -> Text:
    if last is None:
        return line(("no walk yet", DIM))
    age = format_duration(clock() - last.started_at)
    if last.ended_at is None:
        return line(("walking", GOOD), f" for {age}")
    end = (" · cut: its time was up", ODD) if last.cut else ("", "")
    found = pluralize(last.found, "new booking page")
    return line(
        f"last walk {age} ago: {pluralize(last.pages, 'page')}, ", (found, ODD if last.found else GOOD), end
    )


def _drift_line(each: Moved) -> Text:
    return line(
        (each.reason, ODD),
        f" for {format_duration(clock() - each.since)}: {each.desk}",
        (f" {each.detail}", DIM),
    )
