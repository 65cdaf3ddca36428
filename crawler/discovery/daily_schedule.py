"""The daily walk: its row in `discovery_runs`, and whether one is due. A restart of the keeper repeats none.

The keeper imports this module without the libraries of a crawl.
"""

import logging
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from api.models.base import session
from api.models.discovery import DiscoveryRun
from configs.ground.addresses import resolve_stand_in
from configs.ground.logs import OutageLog
from configs.settings import Constant, SettingMissing, settings
from configs.world.prefecture import Prefecture, prefectures
from crawler.url_policy import AddressRefused, ensure_allowed

# How often the prefectures' own sites are searched for unlisted booking pages and dead links
DISCOVERY_EVERY_SECONDS = 86400
# How long one such walk may last; what it did not reach is left to the next
discovery_seconds = Constant("DISCOVERY_SECONDS", 4 * 3600.0)

log = logging.getLogger(__name__)

NAME = "discovery"
_OPEN = sa.select(DiscoveryRun).where(DiscoveryRun.ended_at.is_(None))
_BETWEEN = timedelta(seconds=30)  # between two queries


def begin(rows: Session, now: datetime) -> DiscoveryRun:
    """Return the open walk, which a process left behind, or a new one."""
    rows.execute(insert(DiscoveryRun).values(started_at=now).on_conflict_do_nothing())
    return rows.scalars(_OPEN).one()


def end(rows: Session, run: DiscoveryRun, now: datetime, *, cut: bool, pages: int, found: int = 0) -> bool:
    """End an open walk; False if it has ended."""
    values = {"ended_at": max(now, run.started_at), "cut": cut, "pages": pages, "found": found}
    open_one = sa.update(DiscoveryRun).where(DiscoveryRun.id == run.id, DiscoveryRun.ended_at.is_(None))
    return rows.execute(open_one.values(values).returning(DiscoveryRun.id)).first() is not None


def due(rows: Session, now: datetime) -> bool:
    """Tell whether a walk is open, or the last began DISCOVERY_EVERY_SECONDS ago."""
    last = rows.scalar(sa.select(sa.func.max(DiscoveryRun.started_at)))
    every = timedelta(seconds=DISCOVERY_EVERY_SECONDS)
    return last is None or now - last >= every or rows.scalars(_OPEN).first() is not None


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
        self._next_look: datetime | None = None
        self._trouble = OutageLog()

    def is_due(self, now: datetime) -> bool:
        """Tell whether to start it: not if no site may be asked or none is due, which is looked up each _BETWEEN."""
        if not settings().discovery or (self._next_look and now < self._next_look):
            return False
        is_due, said = False, ""
        try:
            allowed_sites()
            with session() as rows:
                is_due = due(rows, now)
        except (AddressRefused, SettingMissing, sa.exc.DBAPIError) as error:
            said = f"no walk of the prefectures' sites is started: {str(error).splitlines()[0]}"
        self._trouble.log_change(log, said)
        self._next_look = None if is_due else now + _BETWEEN
        return is_due
