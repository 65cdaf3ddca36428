"""Planner's queries: takes changes and requests, creates missing desk rows, writes intervals."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, fields
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.models.desk import DeskChange, DeskState
from configs.world.desk import Desk
from configs.world.outcome import Outcome
from configs.world.plan import PlanName, plan

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


_INTERVALS = sa.text("""
UPDATE desks d SET wished_seconds = n.wished, share_seconds = n.share, feasible_seconds = n.feasible
FROM unnest(CAST(:id AS text[]), CAST(:wished AS float8[]), CAST(:share AS float8[]), CAST(:feasible AS float8[]))
  AS n(id, wished, share, feasible)
WHERE d.id = n.id
  AND (d.wished_seconds, d.share_seconds, d.feasible_seconds) IS DISTINCT FROM (n.wished, n.share, n.feasible)
""")
_MISSING = sa.text("INSERT INTO desks (id) SELECT unnest(CAST(:id AS text[])) ON CONFLICT DO NOTHING")
# Rows are locked in the order of their ids, as everywhere: two writers never wait for each other in a circle.
_QUEUES = sa.text("""
UPDATE desks d SET due_queue = n.queue FROM (
  SELECT o.id, n.queue
  FROM desks o LEFT JOIN unnest(CAST(:id AS text[]), CAST(:queue AS text[])) AS n(id, queue) ON n.id = o.id
  WHERE o.due_queue IS DISTINCT FROM n.queue ORDER BY o.id FOR NO KEY UPDATE OF o
) n WHERE d.id = n.id
""")
_UNWATCHED = sa.text("""
UPDATE desks d SET status = 'PAUSED', status_reason = n.reason FROM (
  SELECT o.id, n.reason
  FROM desks o JOIN unnest(CAST(:id AS text[]), CAST(:reason AS text[])) AS n(id, reason) ON n.id = o.id
  WHERE o.status_reason IS DISTINCT FROM n.reason ORDER BY o.id FOR NO KEY UPDATE OF o
) n WHERE d.id = n.id
""")


@dataclass(frozen=True, slots=True)
class PlannedDesk:
    """What the planner needs of a desk's row."""

    last_token: int
    last_check_at: datetime | None
    last_outcome: Outcome | None
    inconclusive: int
    releases_at: datetime | None
    visit_requests: float | None  # of a visit lately; None: no visit yet
    open_requests: float | None  # of a visit that saw slots
    wished_seconds: float | None  # its interval until now
    places: int  # that are known of it

    @property
    def rests(self) -> bool:
        """Whether its last answer says to leave it alone for a while."""
        return self.last_outcome is not None and not self.last_outcome.conclusive


_PLACES = sa.select(sa.func.count()).select_from(
    sa.func.jsonb_object_keys(DeskState.coverage).table_valued("key")
)
_STATE = sa.select(
    DeskState.id,
    *(getattr(DeskState, each.name) for each in fields(PlannedDesk)[:-1]),
    _PLACES.scalar_subquery(),
)


def take_changes(session: Session) -> set[str]:
    """Return the desks that must be thought over; their lines are gone with this transaction."""
    return set(session.scalars(sa.delete(DeskChange).returning(DeskChange.desk_id)))


def take_requests(session: Session) -> set[str]:
    """Return the desks that somebody wants checked now; each request is taken once."""
    asked = sa.update(DeskState).where(DeskState.check_requested_at.is_not(None))
    return set(session.scalars(asked.values(check_requested_at=None).returning(DeskState.id)))


def insert_missing(session: Session, desks: Collection[Desk]) -> None:
    """Give each desk its row, and one that is not watched the reason why."""
    session.execute(_MISSING, {"id": [desk.id for desk in desks]})
    reasons = {desk.id: reason for desk in desks if (reason := desk.unwatched_because)}
    session.execute(_UNWATCHED, {"id": list(reasons), "reason": list(reasons.values())})


def write_queues(session: Session, queues: Mapping[str, str]) -> None:
    """Write, by desk, the due queue it waits in; every other desk waits in none."""
    ids = sorted(queues)
    session.execute(_QUEUES, {"id": ids, "queue": [queues[each] for each in ids]})


def read_states(session: Session, ids: Collection[str]) -> dict[str, PlannedDesk]:
    """Return the rows of desks, which all have one."""
    return {id_: PlannedDesk(*state) for id_, *state in session.execute(_STATE.where(DeskState.id.in_(ids)))}


def write_intervals(
    session: Session, wished: Mapping[str, float], share: Mapping[str, float], feasible: Mapping[str, float]
) -> None:
    """Write the intervals (seconds) that changed."""
    ids = sorted(wished)  # in one order everywhere, so that two writers never wait for each other in a circle
    columns = {
        "id": ids,
        "wished": [wished[each] for each in ids],
        "share": [share[each] for each in ids],
        "feasible": [feasible[each] for each in ids],
    }
    session.execute(_INTERVALS, columns)
