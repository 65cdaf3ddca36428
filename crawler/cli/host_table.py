"""Table of web hosts for operators: budgets, rests and stops, as the database has them."""

from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa

from api.models.base import session
from api.models.desk import HostState
from configs.world.desk import Desk
from configs.world.prefecture import desks
from crawler.cli.tables import aligned
from crawler.scheduling.demand import by_host
from crawler.scheduling.desk_budgets import budget_of

_HEADINGS = ("HOST", "DESKS", "BUDGET", "SHARE", "RESTS", "UNTIL", "BECAUSE", "STOPPED")
_NOTHING = "-"


def host_table(now: datetime) -> str:
    """Return each host that is watched or remembered: stopped ones first, then those that rest, then by name; in UTC.

    Raises:
        sqlalchemy.exc.DBAPIError, sqlalchemy.exc.TimeoutError: the database is away.
    """
    watched = by_host(desk for desk in desks().values() if desk.schedulable)
    with session() as rows:
        known = {row.host: row for row in rows.scalars(sa.select(HostState))}
    fresh = (
        HostState(host=name, budget_share=1.0, rests_in_a_row=0) for name in watched.keys() - known.keys()
    )
    states = sorted(
        (*known.values(), *fresh), key=lambda each: (not each.stopped_at, not _rests(each, now), each.host)
    )
    found = [_row(each, watched.get(each.host, ()), now) for each in states]
    return aligned([_HEADINGS, *found]) if found else "no host: no desk is scheduled"


def _rests(state: HostState, now: datetime) -> bool:
    return bool(state.rests_until and state.rests_until > now)


def _row(state: HostState, there: Sequence[Desk], now: datetime) -> tuple[str, ...]:
    budget, rests = min(map(budget_of, there), default=None), _rests(state, now)
    return (
        state.host,
        str(len(there)),
        f"{budget:g}/min" if budget else _NOTHING,
        f"{state.budget_share:.0%}",
        str(state.rests_in_a_row),
        _instant(state.rests_until if rests else None),
        (state.rest_reason if rests else None) or _NOTHING,
        f"{_instant(state.stopped_at)}: {state.stop_reason}" if state.stopped_at else _NOTHING,
    )


def _instant(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%SZ}" if moment else _NOTHING
