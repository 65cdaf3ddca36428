"""Overview of discovery: the newest run, and the desks whose page seems to have moved."""

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from api.health.read_session import read_session
from api.models.discovery import DiscoveryRun, Drift


@dataclass(frozen=True, slots=True)
class DiscoveryWalk:
    """One run. `ended_at` is None while it runs. `cut`: it ran out of time. `found`: pages that no desk file has."""

    started_at: datetime
    ended_at: datetime | None
    cut: bool
    pages: int
    found: int


@dataclass(frozen=True, slots=True)
class MovedDesk:
    """A desk that is not for sale because its page seems to have moved."""

    desk: str
    reason: str
    detail: str
    since: datetime


@dataclass(frozen=True, slots=True)
class DiscoveryOverview:
    """The newest run, and the open drifts, oldest first."""

    last: DiscoveryWalk | None
    drifts: list[MovedDesk]


def read_discovery() -> DiscoveryOverview:
    """Read the tables."""
    newest = sa.select(DiscoveryRun).order_by(DiscoveryRun.started_at.desc()).limit(1)
    still = sa.select(Drift).where(Drift.ends_at.is_(None)).order_by(Drift.starts_at, Drift.desk_id)
    with read_session() as s:
        run = s.scalar(newest)
        return DiscoveryOverview(
            DiscoveryWalk(run.started_at, run.ended_at, run.cut, run.pages, run.found) if run else None,
            [MovedDesk(row.desk_id, row.reason, row.detail, row.starts_at) for row in s.scalars(still)],
        )
