"""Planning of queue entries: each desk's interval, host, cost and due time."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from configs.settings.constants import Constant
from configs.world.desk import Desk
from crawler.scheduling import intervals
from crawler.scheduling.desk_store import PlannedDesk, by_host
from crawler.scheduling.due_queue import DueEntry, HostBucket
from crawler.scheduling.intervals import bucket_of, cost_of, interval_at, open_cost_of, own_interval
from crawler.scheduling.queues import queue_of

# Interval of desks without entitled subscribers
HEARTBEAT_SECONDS = Constant("HEARTBEAT_SECONDS", 6 * 3600.0)


@dataclass(frozen=True, slots=True)
class PlanningTask:
    """Why desks are planned. `changed` desks may be due sooner, `requested` ones are to be checked now.

    `emptied`: Redis lost what it knew, even what runs at this moment.
    """

    changed: frozenset[str]
    requested: frozenset[str]
    emptied: bool = False


@dataclass(frozen=True, slots=True)
class PlannedEntries:
    """Intervals of desks (seconds, by desk), and the buckets of their hosts."""

    wished: Mapping[str, float]
    share: Mapping[str, float]  # what the host's budget allows at the costs of recent visits
    feasible: Mapping[str, float]  # what it allows while all of its desks show slots: what is promised
    waited_for: Collection[str]  # desks with an entitled alert
    buckets: Mapping[str, HostBucket]  # by host


def build_plan(
    watched: Collection[Desk],
    promised: Mapping[str, Collection[float]],
    shares: Mapping[str, float],
    states: Mapping[str, PlannedDesk],
    now: datetime,
) -> PlannedEntries:
    """Decide the intervals of desks, all that share their hosts among them.

    `promised`: the intervals of the plans that wait, by desk; `shares`: what is left of budgets, by host.
    """
    heartbeat = HEARTBEAT_SECONDS()
    wished = {
        desk.id: intervals.wished_interval(interval_at(desk, now), promised.get(desk.id, ()), heartbeat)
        for desk in watched
    }
    share: dict[str, float] = {}
    feasible: dict[str, float] = {}
    waited_for = set(promised)
    buckets: dict[str, HostBucket] = {}
    for host, sharing in by_host(watched).items():
        bucket, whole = bucket_of(sharing, shares.get(host, 1.0)), bucket_of(sharing)
        lately = {desk.id: states[desk.id].visit_requests or 0 for desk in sharing}
        # However little is left of its budget, a visit that proves something must fit in.
        buckets[host] = HostBucket(
            max(bucket.capacity, min(max(lately.values()), whole.capacity)), bucket.rate
        )
        usual = {desk.id: max(cost_of(desk), lately[desk.id]) for desk in sharing}
        seeing = {
            desk.id: max(usual[desk.id], states[desk.id].open_requests or open_cost_of(desk))
            for desk in sharing
        }
        budget = buckets[host].rate * intervals.MINUTE
        rounds: dict[str, float] = {}
        if visits := {
            desk.id: intervals.count_visits(desk, states[desk.id].places or None)
            for desk in sharing
            if desk.in_rounds
        }:
            fast = {desk.id: min(wished[desk.id], interval_at(desk, now)) for desk in sharing}
            idle = {desk: max(wished[desk], heartbeat) for desk in visits}
            planned, rounds = intervals.plan_rounds(
                visits,
                fast=fast,
                wished={desk: wished[desk] for desk in seeing} | idle,
                waited_for=waited_for,
                watched={desk for desk in visits if (states[desk].wished_seconds or heartbeat) < heartbeat},
                costs=seeing,
                budget=budget,
            )
            wished |= planned
            waited_for -= {desk for desk in visits if wished[desk] > fast[desk]}
        share |= intervals.share_budget(wished, usual, budget)
        feasible |= intervals.share_budget(wished, seeing, budget) | rounds
    return PlannedEntries(wished, share, feasible, waited_for, buckets)


def build_entry(
    desk: Desk, state: PlannedDesk, plan: PlannedEntries, task: PlanningTask, now: datetime
) -> DueEntry:
    """Decide when a desk is due, as far as the queue does not know it better.

    What rests (a captcha, a closed page, repeated failures) is hurried by a person who asks for a check, not by
    one more who waits.
    """
    asked = desk.id in task.requested
    interval = intervals.minimum_interval(plan.wished[desk.id], plan.share[desk.id], own_interval(desk))
    due = now if asked else _due_at(desk, state, interval, task, now)
    if task.emptied and state.last_check_at:  # it may be being checked, by a claim that Redis forgot
        due = max(due, now + timedelta(seconds=queue_of(desk).hold_seconds))
    return DueEntry(
        desk.id,
        desk.host,
        intervals.minimum_gap(desk.interval),
        due,
        cost_of(desk),
        plan.buckets[desk.host],
        hurry=asked or not state.rests,
        waits=desk.id in plan.waited_for,
        need=state.visit_requests or 0,
        lost=task.emptied and state.last_check_at is not None,
    )


def _due_at(desk: Desk, state: PlannedDesk, interval: float, task: PlanningTask, now: datetime) -> datetime:
    again = _again(desk, state, interval, now)
    if again > now:
        return again
    if desk.id in task.changed:
        return now
    # The state of an unchecked desk is unknown: it does not wait for the first heartbeat.
    return intervals.first_due(desk.id, min(interval, own_interval(desk)), now)


def _again(desk: Desk, state: PlannedDesk, interval: float, now: datetime) -> datetime:
    """Return when the desk's last check makes it due, `now` where that is past."""
    if state.last_check_at is None or state.last_outcome is None:
        return now
    return intervals.next_due(
        state.last_outcome,
        started_at=min(state.last_check_at, now),
        now=now,
        interval=interval,
        inconclusive=state.inconclusive,
        lot=intervals.stable_random(desk.id, state.last_token),
        releases_at=state.releases_at,
    )
