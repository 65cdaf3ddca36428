"""Table of web hosts for operators: budgets, rests and stops, as the database has them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from api.models.base import session
from api.models.desk import HostState
from configs.desk import Desk
from configs.prefecture import desks
from crawler.cli.tables import aligned
from crawler.scheduling.demand import by_host
from crawler.scheduling.desk_budgets import budget_of

_HEADINGS = ("HOST", "DESKS", "BUDGET", "SHARE", "RESTS", "UNTIL", "BECAUSE", "STOPPED")
_NOTHING = "-"


@dataclass(frozen=True, slots=True)
class Host:
    """A row of the table."""

    host: str  # name:port
    desks: int  # how many of its desks are checked
    budget: float | None  # requests a minute; None where none of its desks is checked any more
    share: float  # the part of the budget that rate limits left, 1 at most
    rests: int  # rests in a row
    until: datetime | None  # until when it rests (UTC), None where it does not
    because: str | None
    stopped_at: datetime | None
    stop_reason: str | None


def hosts(now: datetime) -> list[Host]:
    """Return each host that is watched or remembered: stopped ones first, then those that rest, then by name.

    Raises:
        sqlalchemy.exc.DBAPIError, sqlalchemy.exc.TimeoutError: the database is away.
    """
    watched = by_host(desk for desk in desks().values() if desk.schedulable)
    with session() as rows:
        known = {row.host: row for row in rows.scalars(sa.select(HostState))}
        found = [
            _host(name, watched.get(name, ()), known.get(name), now) for name in watched.keys() | known.keys()
        ]
    return sorted(found, key=lambda each: (not each.stopped_at, not each.until, each.host))


def table(found: Sequence[Host]) -> str:
    """Return hosts as a table for a terminal; instants in UTC."""
    return aligned([_HEADINGS, *map(_row, found)]) if found else "no host: no desk is scheduled"


def _host(name: str, there: Sequence[Desk], row: HostState | None, now: datetime) -> Host:
    budget = min(map(budget_of, there), default=None)
    if not row:
        return Host(name, len(there), budget, 1.0, 0, None, None, None, None)
    until = row.rests_until if row.rests_until and row.rests_until > now else None
    return Host(
        name,
        len(there),
        budget,
        row.budget_share,
        row.rests_in_a_row,
        until,
        row.rest_reason if until else None,
        row.stopped_at,
        row.stop_reason,
    )


def _row(host: Host) -> tuple[str, ...]:
    return (
        host.host,
        str(host.desks),
        f"{host.budget:g}/min" if host.budget else _NOTHING,
        f"{host.share:.0%}",
        str(host.rests),
        _instant(host.until),
        host.because or _NOTHING,
        f"{_instant(host.stopped_at)}: {host.stop_reason}" if host.stopped_at else _NOTHING,
    )


def _instant(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%SZ}" if moment else _NOTHING
