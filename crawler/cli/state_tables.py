"""Tables for operators: how desks stand, the hosts, and the decisions about robots.txt."""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime

import sqlalchemy as sa

from api.models.base import session
from api.models.desk import DeskState, HostState
from configs.world.desk import Desk
from configs.world.host_rule import Decision, HostRule, Robots
from configs.world.prefecture import desks, host_rules
from crawler.cli.command_base import aligned
from crawler.recording import coverage_tracking
from crawler.scheduling import intervals
from crawler.scheduling.desk_store import by_host
from crawler.scheduling.intervals import budget_of, own_interval, proven_intervals

_HEADINGS = ("DESK", "STATUS", "WISHED", "FEASIBLE", "ACHIEVED", "CHECKED", "PROVEN", "REASON")


def desk_status_table(desks: Iterable[Desk], now: datetime) -> str:
    """Return the table; intervals in seconds, `-` where nothing is known yet.

    Raises:
        sqlalchemy.exc.DBAPIError: the server is away.
        configs.settings.SettingMissing: DATABASE_URL is not set.
    """
    shown = list(desks)
    with session() as rows:
        found = rows.scalars(sa.select(DeskState).where(DeskState.id.in_([desk.id for desk in shown])))
        states = {state.id: state for state in found}
    return aligned([_HEADINGS, *(_row(desk, states.get(desk.id), now) for desk in shown)])


def _row(desk: Desk, state: DeskState | None, now: datetime) -> tuple[str, ...]:
    if state is None:
        return (desk.id, *"------", "not planned yet")
    interval = intervals.effective_interval(state.wished_seconds, state.share_seconds, own_interval(desk))
    counts = proven_intervals(desk, len(state.coverage or ()))
    return (
        desk.id,
        state.status,
        _seconds(state.wished_seconds),
        _seconds(state.feasible_seconds),
        _seconds(state.achieved_seconds),
        f"{state.last_check_at:%Y-%m-%d %H:%M:%S}" if state.last_check_at else "-",
        "yes" if coverage_tracking.is_proven(state.whole_at, interval, now, counts) else "no",
        state.status_reason,
    )


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.0f}"


_HOST_HEADINGS = ("HOST", "DESKS", "BUDGET", "SHARE", "RESTS", "UNTIL", "BECAUSE", "STOPPED")
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
    found = [_host_row(each, watched.get(each.host, ()), now) for each in states]
    return aligned([_HOST_HEADINGS, *found]) if found else "no host: no desk is scheduled"


def _rests(state: HostState, now: datetime) -> bool:
    return bool(state.rests_until and state.rests_until > now)


def _host_row(state: HostState, there: Sequence[Desk], now: datetime) -> tuple[str, ...]:
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


_ROBOTS_HEADINGS = ("HOST", "DESKS", "ROBOTS", "SINCE", "READ", "REASON")
_ORDER = tuple(Decision)  # what is unread comes first: it is what is to be done
_UNNAMED = "no file says anything of it"
_SECURE = "443"


def describe_decision(host: str) -> str:
    """Return the decision about a host (`name:port`) in few words: `unread`, `allowed 2026-11-20`."""
    robots = _robots(host)
    if robots is None or robots.decision is Decision.UNREAD:
        return Decision.UNREAD.value
    return f"{robots.decision.value} {robots.date}"


def decision_table(desks: Iterable[Desk]) -> str:
    """Return a table of the hosts of desks that are watched, or would be if their hosts allowed it; unread first."""
    found = Counter(desk.host for desk in desks if desk.schedulable or desk.refused)
    rows = sorted(
        (_robots_row(host, count) for host, count in found.items()),
        key=lambda row: (_ORDER.index(Decision(row[2])), -int(row[1]), row[0]),
    )
    return aligned([_ROBOTS_HEADINGS, *rows]) if rows else "no desk of these is watched"


def _robots(host: str) -> Robots | None:
    return host_rules().get(host, HostRule()).robots


def _robots_row(host: str, desks: int) -> tuple[str, ...]:
    robots = _robots(host)
    name, _, port = host.rpartition(":")
    address = f"https://{name}" if port == _SECURE else f"http://{host}"
    said = (robots.decision.value, str(robots.date)) if robots else (Decision.UNREAD.value, "-")
    return (host, str(desks), *said, f"{address}/robots.txt", robots.reason if robots else _UNNAMED)
