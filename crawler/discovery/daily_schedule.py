"""The daily walk: its row in `discovery_runs`, and whether one is due. A restart of the keeper repeats none.

The keeper imports this module without the libraries of a crawl.
"""

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from api.models.base import session
from api.models.discovery import DiscoveryRun
from configs.ground.database import database_url
from configs.ground.hosts import resolve_stand_in
from configs.ground.outage_log import OutageLog
from configs.settings import SettingMissing, settings
from configs.settings.constants import Constant
from configs.world.prefecture import Prefecture, prefectures
from crawler.url_policy import AddressRefused, ensure_allowed

# How often the prefectures' own sites are searched for unlisted booking pages and dead links
DISCOVERY_EVERY_SECONDS = 86400
# How long one such walk may last; what it did not reach is left to the next
DISCOVERY_SECONDS = Constant("DISCOVERY_SECONDS", 4 * 3600.0)

log = logging.getLogger(__name__)

NAME = "discovery"
_BETWEEN = timedelta(seconds=30)  # between two queries


@dataclass(frozen=True, slots=True)
class Run:
    """An open walk."""

    id: int
    started_at: datetime

    @property
    def key(self) -> str:
        """Return the prefix of its keys in Redis."""
        return f"crawler:discovery:{self.id}"

    def seconds_left(self, now: datetime) -> float:
        """Return how long it may still last, at least a second: a walk whose time is up must be ended."""
        return max(1.0, DISCOVERY_SECONDS() - (now - self.started_at).total_seconds())


def begin(rows: Session, now: datetime) -> Run:
    """Return the open walk, which a process left behind, or a new one."""
    rows.execute(insert(DiscoveryRun).values(started_at=now).on_conflict_do_nothing())
    found = rows.execute(_open()).one()
    return Run(found.id, found.started_at)


def end(rows: Session, run: Run, now: datetime, *, cut: bool, pages: int, found: int = 0) -> bool:
    """End an open walk; False if it has ended."""
    values = {"ended_at": max(now, run.started_at), "cut": cut, "pages": pages, "found": found}
    open_one = sa.update(DiscoveryRun).where(DiscoveryRun.id == run.id, DiscoveryRun.ended_at.is_(None))
    return rows.execute(open_one.values(values).returning(DiscoveryRun.id)).first() is not None


def due(rows: Session, now: datetime) -> bool:
    """Tell whether a walk is open, or the last began DISCOVERY_EVERY_SECONDS ago."""
    if rows.execute(_open()).first():
        return True
    last = rows.scalar(sa.select(sa.func.max(DiscoveryRun.started_at)))
    return last is None or now - last >= timedelta(seconds=DISCOVERY_EVERY_SECONDS)


def _open() -> sa.Select[int, datetime]:
    return sa.select(DiscoveryRun.id, DiscoveryRun.started_at).where(DiscoveryRun.ended_at.is_(None))


def allowed_sites() -> list[Prefecture]:
    """Return the prefectures whose sites may be asked here: all in production, stand-ins elsewhere.

    Raises:
        AddressRefused: none may be asked; the text says how to allow more.
    """
    current, found, refused = settings(), [], None
    for place in prefectures().values():
        try:
            ensure_allowed(resolve_stand_in(place.site, current.sandbox_hosts), current)
        except AddressRefused as error:
            refused = error
        else:
            found.append(place)
    if not found and refused:
        raise refused
    return found


class Daily:
    """The keeper's decision whether to start the walk."""

    def __init__(self) -> None:
        self._nothing_due: datetime | None = None
        self._trouble = OutageLog()

    def is_due(self, now: datetime) -> bool:
        """Tell whether to start it: not if no site may be asked or none is due, which is looked up each _BETWEEN."""
        lately = self._nothing_due is not None and now - self._nothing_due < _BETWEEN
        if lately or not settings().discovery:
            return False
        try:
            allowed_sites()
            database_url()
            with session() as rows:
                is_due = due(rows, now)
            said = ""
        except (AddressRefused, SettingMissing, sa.exc.DBAPIError) as error:
            is_due, said = (
                False,
                f"no walk of the prefectures' sites is started: {str(error).splitlines()[0]}",
            )
        self._trouble.tell(log, said)
        self._nothing_due = None if is_due else now
        return is_due
