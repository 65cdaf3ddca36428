"""Which desks are due how often: reads what changed in the tables, writes intervals, fills the due queue.

Queue first, then commit: what a crash leaves in between is planned once more, nothing is forgotten.
"""

import logging
import threading
from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import redis
import sqlalchemy as sa

from api.models.base import session
from api.models.partitions import make_partitions
from configs.clock import clock
from configs.desk import Desk
from configs.prefecture import desks
from configs.settings import settings
from crawler import demand, desk_rows, due, pace, switch
from crawler.catalogue import system_of, systems
from crawler.desk_rows import State
from crawler.due import Entry
from crawler.lapse import close_unproven
from crawler.schedule import budget_of, cost_of, own_interval

log = logging.getLogger(__name__)

AWAY = (sa.exc.DBAPIError, sa.exc.TimeoutError, redis.RedisError)
_LOCK = 0x72647670  # the planners' advisory lock: one of them plans, the others look on
_OVERLAP = timedelta(seconds=5)  # a grant may be committed a little after the moment it begins
_AT_ONCE = 500  # desks in one script


@dataclass(frozen=True, slots=True)
class Task:
    """What a look at the tables found to do. `requested` are to be checked now, `whole` means every desk."""

    changed: frozenset[str]
    requested: frozenset[str]
    whole: bool


class Planner:
    """One planner's memory between two looks; the tables and the queue hold all that matters."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client
        self._looked_at: datetime | None = None
        self._whole_at: datetime | None = None
        self._sizes: dict[str, int] = {}
        self._days_made: date | None = None
        self._trouble = False

    def run(self, stop: threading.Event) -> None:
        """Look each PLANNER_SECONDS until told to stop; a server that is away is waited for."""
        while not stop.is_set():
            try:
                self.look(clock())
            except AWAY as error:
                if not self._trouble:
                    log.warning(
                        "nothing is planned until the servers are back: %s", str(error).splitlines()[0]
                    )
                self._trouble = True
            else:
                self._trouble = False
            stop.wait(settings().planner_seconds)

    def look(self, now: datetime) -> int:
        """Plan what changed since the last look; return how many desks were thought over.

        Raises:
            sqlalchemy.exc.DBAPIError, redis.RedisError: a server is away; nothing is forgotten.
        """
        self._make_days(now)
        _lapse(now)
        switch.remind(self._client)
        whole = self._whole_is_due(now)
        with session() as rows:
            if not rows.scalar(sa.select(sa.func.pg_try_advisory_xact_lock(_LOCK))):
                return 0
            task = self._task(rows, now, whole=whole)
            chosen = _chosen(task)
            if chosen or whole:
                self._plan(rows, chosen, task, now)
        self._looked_at = now
        if whole:
            self._whole_at = now
        return len(chosen)

    def _make_days(self, now: datetime) -> None:
        if self._days_made != now.date():
            with session() as rows:
                make_partitions(rows, now.date())
            self._days_made = now.date()

    def _whole_is_due(self, now: datetime) -> bool:
        """Tell whether everything is planned anew: at the start, each hour, and when the queue lost something."""
        sizes = {system: due.size(self._client, system) for system in systems()}
        if self._whole_at is None or sizes != self._sizes:
            return True
        return now - self._whole_at >= timedelta(seconds=settings().reconcile_seconds)

    def _task(self, rows: sa.orm.Session, now: datetime, *, whole: bool) -> Task:
        changed, requested = desk_rows.take_changes(rows), desk_rows.take_requests(rows)
        since = (self._looked_at or now) - _OVERLAP
        turned = set() if whole else demand.turned(rows, desks().values(), since, now)
        return Task(frozenset(changed | turned), frozenset(requested), whole)

    def _plan(self, rows: sa.orm.Session, chosen: Collection[Desk], task: Task, now: datetime) -> None:
        watched = [desk for desk in chosen if desk.schedulable]
        if task.whole:
            desk_rows.insert_missing(rows, chosen)
        wished = _wished(rows, watched, now)
        feasible = _feasible(watched, wished)
        states = desk_rows.write_intervals(rows, wished, feasible)
        entries: dict[str, list[Entry]] = defaultdict(list)
        for desk in watched:
            interval = max(wished[desk.id], feasible[desk.id])
            entries[system_of(desk)].append(_entry(desk, states[desk.id], interval, task, now))
        if task.whole:  # before anything is due: an emptied Redis does not know which hosts rest
            due.send(self._client, due.rest(desk_rows.rests(rows, now), now=now))
        self._fill(entries)
        if task.whole:
            self._drop_strangers(entries)
            self._sizes = {system: len(entries[system]) for system in systems()}

    def _fill(self, entries: dict[str, list[Entry]]) -> None:
        for system, each in entries.items():
            for start in range(0, len(each), _AT_ONCE):
                due.send(self._client, due.schedule(system, each[start : start + _AT_ONCE]))

    def _drop_strangers(self, entries: dict[str, list[Entry]]) -> None:
        """Take out of the queue what the desk files do not schedule (any more)."""
        for system in systems():
            known = {entry.desk_id for entry in entries[system]}
            strangers = sorted(due.members(self._client, system) - known)
            for start in range(0, len(strangers), _AT_ONCE):
                due.send(self._client, due.drop(system, strangers[start : start + _AT_ONCE]))


def _lapse(now: datetime) -> None:
    """Close what nobody confirmed, in a transaction of its own: writers of checks wait for it only so long."""
    with session() as rows:
        closed = close_unproven(rows, now)
    if closed:
        log.info("%d slots lapsed: nobody could confirm them", closed)


def _chosen(task: Task) -> list[Desk]:
    """Return the desks to think over: those named, and all that share their hosts' budgets."""
    if task.whole:
        return list(desks().values())
    named = [
        desk for name in task.changed | task.requested if (desk := desks().get(name)) and desk.schedulable
    ]
    hosts = {desk.host for desk in named}
    return [desk for desk in desks().values() if desk.host in hosts and desk.schedulable]


def _wished(rows: sa.orm.Session, watched: Collection[Desk], now: datetime) -> dict[str, float]:
    promised = demand.intervals(rows, watched, now)
    heartbeat = settings().heartbeat_seconds
    return {
        desk.id: pace.wished(own_interval(desk), promised.get(desk.id, ()), heartbeat) for desk in watched
    }


def _feasible(watched: Iterable[Desk], wished: dict[str, float]) -> dict[str, float]:
    found: dict[str, float] = {}
    for sharing in demand.by_host(watched).values():
        wishes = {desk.id: pace.Wish(wished[desk.id], cost_of(desk)) for desk in sharing}
        found |= pace.feasible(wishes, min(budget_of(desk) for desk in sharing))
    return found


def _entry(desk: Desk, state: State, interval: float, task: Task, now: datetime) -> Entry:
    """Decide when a desk is due, as far as the queue does not know it better.

    What rests (a captcha, a closed page, repeated failures) is hurried by a person who asks for a check, not by
    one more who waits.
    """
    asked = desk.id in task.requested
    return Entry(
        desk.id,
        desk.host,
        pace.gap(desk.interval),
        now if asked else _due_at(desk, state, interval, task, now),
        state.last_token,
        hurry=asked or not state.rests,
    )


def _due_at(desk: Desk, state: State, interval: float, task: Task, now: datetime) -> datetime:
    again = state.last_check_at + timedelta(seconds=interval) if state.last_check_at else now
    if again > now:
        return again
    if desk.id in task.changed:
        return now
    # Nobody knows an unchecked desk's state: it does not wait for the first heartbeat.
    return pace.first_due(desk.id, min(interval, own_interval(desk)), now)
