"""Rows of discovery runs: at most one is open and all processes join it; a new one begins a day later.

A module of its own: the keeper imports it without the libraries of a crawl.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from api.models.discovery import DiscoveryRun
from configs.constants import Constant

# How often the prefectures' own sites are searched for unlisted booking pages and dead links
DISCOVERY_EVERY_SECONDS = 86400
# How long one such walk may last; what it did not reach is left to the next
DISCOVERY_SECONDS = Constant("DISCOVERY_SECONDS", 4 * 3600.0)


@dataclass(frozen=True, slots=True)
class Run:
    """An open run. `key` is the prefix of its keys in Redis."""

    id: int
    started_at: datetime

    @property
    def key(self) -> str:
        """Return the prefix of its keys in Redis."""
        return f"crawler:discovery:{self.id}"

    def over(self, now: datetime) -> bool:
        """Whether its time is up."""
        return now - self.started_at >= timedelta(seconds=DISCOVERY_SECONDS())


def join(rows: Session, now: datetime) -> Run:
    """Return the open run, or a new one. A run whose time is up is returned, too: it must be ended."""
    rows.execute(insert(DiscoveryRun).values(started_at=now).on_conflict_do_nothing())
    found = rows.execute(_open()).one()
    return Run(found.id, found.started_at)


def lock_run(rows: Session, run: Run) -> bool:
    """Lock an open run for this transaction, so that one process ends it; False if it has ended."""
    return rows.execute(_open().where(DiscoveryRun.id == run.id).with_for_update()).first() is not None


def end(rows: Session, run: Run, now: datetime, *, cut: bool, pages: int, found: int = 0) -> None:
    """End a locked run."""
    values = {"ended_at": max(now, run.started_at), "cut": cut, "pages": pages, "found": found}
    rows.execute(sa.update(DiscoveryRun).where(DiscoveryRun.id == run.id).values(values))


def due(rows: Session, now: datetime) -> bool:
    """Tell whether a run is open, or the last began DISCOVERY_EVERY_SECONDS ago."""
    if rows.execute(_open()).first():
        return True
    last = rows.scalar(sa.select(sa.func.max(DiscoveryRun.started_at)))
    return last is None or now - last >= timedelta(seconds=DISCOVERY_EVERY_SECONDS)


def _open() -> sa.Select[int, datetime]:
    return sa.select(DiscoveryRun.id, DiscoveryRun.started_at).where(DiscoveryRun.ended_at.is_(None))
