"""Planner: reads changes from the tables, decides intervals, fills the due queue.

The queue is filled before the commit: what a crash leaves in between is planned again, and nothing is forgotten. A run
has parts: one that fails is logged and named by health, the others run.
"""

import logging
import threading
from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial
from typing import cast

import redis
import sqlalchemy as sa

from api.models.base import database_clock, session
from api.models.desk import HostState
from api.models.tried_desks import load_tried_desks
from configs.ground.clock import clock
from configs.programs.loop_report import FRESH, LoopReport, read_report, write_report
from configs.programs.part_failures import PartFailures
from configs.settings import Constant
from configs.world.prefecture import desks
from crawler.discovery import candidates
from crawler.incidents import backoff, kill_switch, robots_bans
from crawler.recording.coverage_tracking import lapse_seconds
from crawler.recording.slot_expiry import close_unproven
from crawler.scheduling import due_queue, planning, probes
from crawler.scheduling.due_queue import DueEntry, queue_names, queue_of
from crawler.scheduling.intervals import desks_releasing
from crawler.scheduling.planning import PlanningTask

# How often the planner reads what changed
_planner_seconds = Constant("PLANNER_SECONDS", 1.0)
# How often the planner plans all desks again
_RECONCILE_SECONDS = 3600

log = logging.getLogger(__name__)

_LOCK = 0x72647670  # an advisory lock: one plans, others wait; PostgreSQL ends a holder that hangs
# Between two runs; after a longer one, or a step of the clock, slots are not lapsed at once
_LONGEST_PAUSE = FRESH
_OVERLAP = timedelta(seconds=5)  # a grant may be committed a little after the moment it begins
_OWN_NAME = timedelta(days=1)  # as in crawler/scheduling/lua/_instants.lua
_AT_ONCE = 500  # desks in one script


class Planner:
    """State of one planner between two runs; tables and queue hold everything else."""

    def __init__(self, client: redis.Redis) -> None:
        self.failures = PartFailures()
        self._client = client
        self._looked_at: datetime | None = None
        self._ran_at: datetime | None = None
        self._steady_since: datetime | None = None
        self._planned_at: datetime | None = None
        self._runs = 0  # of all planners, as Redis counts them
        self._sizes: dict[str, int] = {}
        self._queues: dict[str, datetime] | None = None  # since when each has desks
        self._releasing: frozenset[str] = frozenset()
        self._paused: frozenset[str] = frozenset()  # as desks were planned last

    def run(self, stop: threading.Event) -> None:
        """Run each PLANNER_SECONDS until `stop` is set; a part that fails is repeated in the next run."""
        while not stop.is_set():
            self.run_once(_read_clock())
            stop.wait(_planner_seconds())

    def run_once(self, now: datetime) -> int:
        """Run each part once and report which fail; return how many desks were planned."""
        parts: dict[str, Callable[[datetime], object]] = {
            "lapsed slots": self._expire_slots,
            "host back-off": backoff.recover_hosts,
            "kill switch": lambda at: kill_switch.apply_orders(self._client, at),
        }
        for part, work in parts.items():
            self.failures.run(part, partial(work, now))
        planned = self.failures.run("planning", partial(self._plan_changes, now))
        with suppress(redis.RedisError):  # then the report runs out, and health says so
            failing = self.failures.names()
            write_report(self._client, LoopReport(at=now, failing=failing, queues=self._queues or {}))
        return planned or 0

    def _expire_slots(self, now: datetime) -> None:
        """Close unconfirmed slots, not before LAPSE_SECONDS after a pause: no check could confirm them meanwhile."""
        before, self._ran_at = self._ran_at or now, now
        if not timedelta(0) <= now - before <= _LONGEST_PAUSE + timedelta(seconds=_planner_seconds()):
            self._steady_since = now
        if self._steady_since and now - self._steady_since < timedelta(seconds=lapse_seconds()):
            return
        with session() as rows:
            closed = close_unproven(rows, now)
        if closed:
            log.info("%d slots lapsed: no check confirmed them", closed)

    def _plan_changes(self, now: datetime) -> int:
        """Plan the desks of hosts where something changed since the last run; return how many were planned.

        Raises:
            sqlalchemy.exc.DBAPIError, redis.RedisError: a server is away; nothing is forgotten.
        """
        # None: Redis was emptied. Fewer than there were: it was restored from an older state.
        counted = int(cast("str | None", self._client.get(due_queue.RUNS)) or 0)
        emptied = counted < max(1, self._runs)
        with session() as rows:
            rows.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK)))
            task = self._read_task(rows, now, emptied=emptied)
            whole = emptied or self._is_due(now)
            needed = whole or task.changed or task.requested
            planned = self._plan(rows, task, now, whole=whole) if needed else 0
            if whole:
                candidates.add_listed(rows, now)
        self._looked_at, self._paused = now, task.paused
        if whole:
            self._planned_at = now
        self._runs = max(0 if emptied else self._runs, self._client.incr(due_queue.RUNS))
        return planned

    def _is_due(self, now: datetime) -> bool:
        """Tell whether to plan all desks: at the start, each hour, and when Redis forgot something."""
        sizes = {queue: due_queue.size(self._client, queue) for queue in queue_names()}
        if self._planned_at is None or sizes != self._sizes:
            return True
        return now - self._planned_at >= timedelta(seconds=_RECONCILE_SECONDS)

    def _read_task(self, rows: sa.orm.Session, now: datetime, *, emptied: bool) -> PlanningTask:
        load_tried_desks(rows)
        changed, requested = planning.take_changes(rows), planning.take_requests(rows)
        since = (self._looked_at or now) - _OVERLAP
        turned = planning.desks_with_changed_grants(rows, desks().values(), since, now)
        before, self._releasing = self._releasing, desks_releasing(desks().values(), now)
        paused = kill_switch.read_paused_desks(rows)
        turned |= (before ^ self._releasing) | (paused ^ self._paused)
        return PlanningTask(frozenset(changed | turned), frozenset(requested), emptied, paused)

    def _plan(self, rows: sa.orm.Session, task: PlanningTask, now: datetime, *, whole: bool) -> int:
        """Plan all desks, or those that share a host's budget with one that changed; return how many."""
        every = list(desks().values())
        hosts = {each.host: each for each in rows.scalars(sa.select(HostState))}
        forbidden = robots_bans.apply(rows, now)
        watched = [
            desk for desk in every if desk.schedulable and desk.id not in task.paused | forbidden.unwatched
        ]
        touched = {desk.host for desk in every if desk.id in task.changed | task.requested}
        chosen = [desk for desk in watched if whole or desk.host in touched]
        queues = {desk.id: str(queue_of(desk)) for desk in watched}
        planning.write_desks(rows, every, queues)
        shares = {host: each.budget_share for host, each in hosts.items()}
        planned = planning.plan_desks(rows, chosen, shares, task, now)
        # What is not to be watched is not paid for.
        backoff.end_outages(rows, [*task.paused, *forbidden.closed, *queues], now)
        rests = {host: until for host, each in hosts.items() if (until := each.rests_until)}
        rests = {host: until for host, until in rests.items() if until > now - _OWN_NAME}
        due_queue.send(self._client, due_queue.rest(rests, now=now))
        entries: dict[str, list[DueEntry]] = defaultdict(list)
        for desk, entry in planned:
            entries[queues[desk.id]].append(entry)
        beside = probes.plan_beside(rows, hosts, self._releasing, forbidden.every, now)
        for queue, entry in beside:
            entries[queue].append(entry)
        waiting = queues | {entry.desk_id: queue for queue, entry in beside}
        for queue in queue_names():
            self._fill(queue, entries[queue], {each for each in waiting if waiting[each] == queue}, now)
        self._sizes = {queue: list(waiting.values()).count(queue) for queue in queue_names()}
        if self._queues is None:
            report = read_report(self._client)  # the planner's before
            self._queues = report.queues if report else {}
        self._queues = {queue: self._queues.get(queue, now) for queue, size in self._sizes.items() if size}
        return len(chosen)

    def _fill(self, queue: str, entries: Sequence[DueEntry], known: Collection[str], now: datetime) -> None:
        """Put desks into a queue, and take out those that are not `known`: paused, or in no desk file."""
        for start in range(0, len(entries), _AT_ONCE):
            part = entries[start : start + _AT_ONCE]
            due_queue.send(self._client, due_queue.schedule(queue, part, now=now))
        if strangers := due_queue.members(self._client, queue).difference(known):
            due_queue.drop(self._client, queue, sorted(strangers))


def _read_clock() -> datetime:
    """Return the present instant by the database's clock; by ours until it is there: what needs it fails anyway."""
    try:
        return database_clock()
    except sa.exc.DBAPIError:
        return clock()
