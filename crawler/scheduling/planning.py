"""Planning: each desk's interval, host, cost and due time, and the queries that it takes and writes."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.models.base import write_rows
from api.models.desk import DeskChange, DeskState
from configs.world.desk import FASTEST, Desk, heartbeat_seconds
from configs.world.plan import PlanName, plan
from crawler.scheduling import intervals
from crawler.scheduling.due_queue import DueEntry, HostBucket, queue_of
from crawler.scheduling.intervals import bucket_of, cost_of, interval_at, open_cost_of, own_interval
from crawler.scheduling.rounds import count_visits, plan_rounds


@dataclass(frozen=True, slots=True)
class PlanningTask:
    """Why desks are planned. `changed` desks may be due sooner, `requested` ones are to be checked now.

    `emptied`: Redis lost what it knew, even what runs at this moment. Desks that operators `paused` are not planned.
    """

    changed: frozenset[str]
    requested: frozenset[str]
    emptied: bool = False
    paused: frozenset[str] = frozenset()


class DeskPlan(NamedTuple):
    """The intervals of a desk, in seconds, and the bucket of its host."""

    wished: float
    share: float  # what the host's budget allows at the costs of recent visits
    feasible: (
        float  # what it allows while all of its desks show slots, to one that is waited for: the promise
    )
    slowest: float  # the same once all of them are waited for
    waits: bool  # whether it has an entitled alert
    bucket: HostBucket


def plan_desks(
    session: Session,
    watched: Collection[Desk],
    shares: Mapping[str, float],
    task: PlanningTask,
    now: datetime,
) -> list[tuple[Desk, DueEntry]]:
    """Decide and write the intervals of desks, all that share their hosts among them; return their entries.

    `shares`: what is left of budgets, by host.
    """
    rows = session.scalars(sa.select(DeskState).where(DeskState.id.in_([desk.id for desk in watched])))
    states = {state.id: state for state in rows}
    promised = promised_intervals(session, watched, now)
    plans: dict[str, DeskPlan] = {}
    for host, sharing in by_host(watched).items():
        plans |= _plan_host(sharing, promised, shares.get(host, 1.0), states, now)
    names = ("wished", "share", "feasible", "slowest")
    written = [{"id": each} | {name: getattr(plan, name) for name in names} for each, plan in plans.items()]
    session.execute(_INTERVALS, {"rows": write_rows(written), "now": now, "heartbeat": heartbeat_seconds()})
    return [(desk, _build_entry(desk, states[desk.id], plans[desk.id], task, now)) for desk in watched]


def _plan_host(
    sharing: Collection[Desk],
    promised: Mapping[str, Collection[float]],
    left: float,
    states: Mapping[str, DeskState],
    now: datetime,
) -> dict[str, DeskPlan]:
    """Plan the desks of a host, which has this share of its budget left; `promised`: by the plans that wait."""
    heartbeat = heartbeat_seconds()
    wished = {
        desk.id: intervals.wished_interval(interval_at(desk, now), promised.get(desk.id, ()), heartbeat)
        for desk in sharing
    }
    waited_for = wished.keys() & promised.keys()
    bucket, whole = bucket_of(sharing, left), bucket_of(sharing)
    lately = {desk.id: states[desk.id].visit_requests or 0 for desk in sharing}
    # However little is left of its budget, a visit that proves something must fit in.
    bucket = replace(bucket, capacity=max(bucket.capacity, min(max(lately.values()), whole.capacity)))
    usual = {desk.id: max(cost_of(desk), lately[desk.id]) for desk in sharing}
    seeing = {
        desk.id: max(usual[desk.id], states[desk.id].open_requests or open_cost_of(desk)) for desk in sharing
    }
    budget = bucket.rate * intervals.MINUTE
    rounds: dict[str, float] = {}
    if visits := {
        desk.id: count_visits(desk, len(states[desk.id].coverage or ()) or None)
        for desk in sharing
        if desk.in_rounds
    }:
        fast = {desk.id: min(wished[desk.id], interval_at(desk, now)) for desk in sharing}
        wished, rounds = plan_rounds(
            visits,
            fast=fast,
            wished=wished | {desk: max(wished[desk], heartbeat) for desk in visits},
            waited_for=waited_for,
            watched={desk for desk in visits if (states[desk].wished_seconds or heartbeat) < heartbeat},
            costs=seeing,
            budget=budget,
        )
        waited_for -= {desk for desk in visits if wished[desk] > fast[desk]}
    share = intervals.share_budget(wished, usual, budget)
    feasible = intervals.share_budget(wished, seeing, budget)
    # A desk without waiting people is offered at the interval that it would get, not at its share of a heartbeat.
    idle = {desk.id: interval_at(desk, now) for desk in sharing if desk.id not in promised}
    feasible |= intervals.promise_waited(idle, wished, seeing, budget) | rounds
    crowded = intervals.share_budget(dict.fromkeys(wished, float(FASTEST)), seeing, budget)
    return {
        desk: DeskPlan(
            wished[desk],
            share[desk],
            feasible[desk],
            max(feasible[desk], crowded[desk]),
            desk in waited_for,
            bucket,
        )
        for desk in wished
    }


def _build_entry(desk: Desk, state: DeskState, plan: DeskPlan, task: PlanningTask, now: datetime) -> DueEntry:
    """Decide when a desk is due, as far as the queue does not know it better.

    What rests (a captcha, a closed page, repeated failures) is hurried by a person who asks for a check, not by
    one more who waits.
    """
    asked = desk.id in task.requested
    rests = state.last_outcome is not None and not state.last_outcome.conclusive
    interval = intervals.minimum_interval(plan.wished, plan.share, own_interval(desk))
    due = now if asked else _due_at(desk, state, interval, task, now)
    if task.emptied and state.last_check_at:  # it may be being checked, by a claim that Redis forgot
        due = max(due, now + timedelta(seconds=queue_of(desk).hold_seconds))
    return DueEntry(
        desk.id,
        desk.host,
        min(FASTEST, desk.interval or FASTEST),  # only stand-ins allow less than FASTEST
        due,
        cost_of(desk),
        plan.bucket,
        hurry=asked or not rests,
        waits=plan.waits,
        need=state.visit_requests or 0,
        lost=task.emptied and state.last_check_at is not None,
    )


def _due_at(desk: Desk, state: DeskState, interval: float, task: PlanningTask, now: datetime) -> datetime:
    if state.last_check_at and state.last_outcome:
        again = intervals.next_due(
            state.last_outcome,
            started_at=min(state.last_check_at, now),
            now=now,
            interval=interval,
            inconclusive=state.inconclusive,
            lot=intervals.stable_random(desk.id, state.last_token),
            releases_at=state.releases_at,
        )
        if again > now:
            return again
    if desk.id in task.changed:
        return now
    # The state of an unchecked desk is unknown: it does not wait for the first heartbeat.
    return intervals.first_due(desk.id, min(interval, own_interval(desk)), now)


# Entitled means that a grant covers the moment: computed, never a flag.
_ENTITLED = sa.text("""
SELECT t.desk_id, t.prefecture_id, t.procedure, array_agg(DISTINCT g.plan) AS plans
FROM alert_targets t
JOIN alerts a ON a.id = t.alert_id AND a.enabled AND a.closed_at IS NULL
JOIN grants g ON g.user_id = a.user_id AND g.starts_at <= :now AND g.ends_at > :now
WHERE t.desk_id = ANY(:desks) OR t.prefecture_id = ANY(:prefectures)
GROUP BY t.desk_id, t.prefecture_id, t.procedure
""")
_TURNED = sa.text("""
SELECT DISTINCT t.desk_id, t.prefecture_id, t.procedure
FROM grants g
JOIN alerts a ON a.user_id = g.user_id AND a.enabled AND a.closed_at IS NULL
JOIN alert_targets t ON t.alert_id = a.id
WHERE (g.starts_at > :since AND g.starts_at <= :now) OR (g.ends_at > :since AND g.ends_at <= :now)
""")
Target = tuple[str | None, str | None, str | None]


def promised_intervals(session: Session, desks: Collection[Desk], now: datetime) -> dict[str, list[float]]:
    """Return, by desk, the seconds that the plans of its entitled alerts promise; no entry without such an alert."""
    prefectures = sorted({desk.prefecture_id for desk in desks})
    rows = session.execute(
        _ENTITLED, {"now": now, "desks": [desk.id for desk in desks], "prefectures": prefectures}
    )
    wanted = {(row.desk_id, row.prefecture_id, row.procedure): row.plans for row in rows}
    found = {}
    for desk in desks:
        names = {name for target in targets_of(desk) for name in wanted.get(target, ())}
        if promised := [seconds for name in names if (seconds := plan(PlanName(name)).interval_seconds)]:
            found[desk.id] = [float(seconds) for seconds in promised]
    return found


def desks_with_changed_grants(
    session: Session, desks: Iterable[Desk], since: datetime, now: datetime
) -> set[str]:
    """Return the desks that somebody's grant began or ended for, after `since` and until `now`."""
    rows = session.execute(_TURNED, {"since": since, "now": now})
    targets = {(row.desk_id, row.prefecture_id, row.procedure) for row in rows}
    return {desk.id for desk in desks if targets and not targets.isdisjoint(targets_of(desk))}


def targets_of(desk: Desk) -> list[Target]:
    """Return every target that means this desk."""
    by_procedure: list[Target] = [(None, desk.prefecture_id, each.value) for each in sorted(desk.procedures)]
    return [(desk.id, None, None), *by_procedure]


def by_host(desks: Iterable[Desk]) -> dict[str, list[Desk]]:
    """Return desks by the host whose budget they share."""
    found: dict[str, list[Desk]] = defaultdict(list)
    for desk in desks:
        found[desk.host].append(desk)
    return found


# Rows are locked in the order of their ids, as everywhere: two writers never wait for each other in a circle.
_INTERVALS = sa.text("""
UPDATE desks d SET wished_seconds = n.wished, share_seconds = n.share, feasible_seconds = n.feasible,
  slowest_seconds = n.slowest,
  fast_since = CASE WHEN n.wished < :heartbeat THEN coalesce(d.fast_since, :now) END
FROM (
  SELECT n.*
  FROM desks o JOIN json_to_recordset(:rows)
    AS n(id text, wished float8, share float8, feasible float8, slowest float8) ON n.id = o.id
  WHERE (o.wished_seconds, o.share_seconds, o.feasible_seconds, o.slowest_seconds)
    IS DISTINCT FROM (n.wished, n.share, n.feasible, n.slowest)
  ORDER BY o.id FOR NO KEY UPDATE OF o
) n WHERE d.id = n.id
""")
_MISSING = sa.text("INSERT INTO desks (id) SELECT unnest(CAST(:id AS text[])) ON CONFLICT DO NOTHING")
_DESKS = sa.text("""
UPDATE desks d SET due_queue = n.queue, status = CASE WHEN n.reason IS NULL THEN d.status ELSE 'PAUSED' END,
  status_reason = coalesce(n.reason, d.status_reason)
FROM (
  SELECT o.id, n.queue, n.reason
  FROM desks o LEFT JOIN json_to_recordset(:rows) AS n(id text, queue text, reason text) ON n.id = o.id
  WHERE o.due_queue IS DISTINCT FROM n.queue OR o.status_reason <> n.reason ORDER BY o.id FOR NO KEY UPDATE OF o
) n WHERE d.id = n.id
""")


def take_changes(session: Session) -> set[str]:
    """Return the desks that must be thought over; their lines are gone with this transaction."""
    return set(session.scalars(sa.delete(DeskChange).returning(DeskChange.desk_id)))


def take_requests(session: Session) -> set[str]:
    """Return the desks that somebody wants checked now; each request is taken once."""
    asked = sa.update(DeskState).where(DeskState.check_requested_at.is_not(None))
    return set(session.scalars(asked.values(check_requested_at=None).returning(DeskState.id)))


def write_desks(session: Session, desks: Collection[Desk], queues: Mapping[str, str]) -> None:
    """Give each desk its row, the due queue (by desk) that it waits in, and one that is not watched the reason why.

    Every other desk waits in no queue.
    """
    session.execute(_MISSING, {"id": [desk.id for desk in desks]})
    rows = [{"id": desk.id, "queue": queues.get(desk.id), "reason": desk.unwatched_because} for desk in desks]
    session.execute(_DESKS, {"rows": write_rows(rows)})
