"""Planner's queries: takes changes and requests, creates missing desk rows, writes intervals."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.models.desk import DeskChange, DeskState
from configs.world.desk import Desk
from configs.world.outcome import Outcome

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

    last_token: int = 0
    last_check_at: datetime | None = None
    last_outcome: Outcome | None = None
    inconclusive: int = 0
    releases_at: datetime | None = None

    @property
    def rests(self) -> bool:
        """Whether its last answer says to leave it alone for a while."""
        return self.last_outcome is not None and not self.last_outcome.conclusive


_STATE = sa.select(DeskState.id, *(getattr(DeskState, each.name) for each in fields(PlannedDesk)))


@dataclass(frozen=True, slots=True)
class VisitCosts:
    """The requests of a visit, by desk: what those lately took, and those that saw slots. No entry: none yet."""

    lately: Mapping[str, float]
    seeing: Mapping[str, float]


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


def write_intervals(
    session: Session, wished: Mapping[str, float], share: Mapping[str, float], feasible: Mapping[str, float]
) -> dict[str, PlannedDesk]:
    """Write the intervals (seconds) that changed; return the rows' state, a fresh one where there is no row."""
    ids = sorted(wished)  # in one order everywhere, so that two writers never wait for each other in a circle
    columns = {
        "id": ids,
        "wished": [wished[each] for each in ids],
        "share": [share[each] for each in ids],
        "feasible": [feasible[each] for each in ids],
    }
    session.execute(_INTERVALS, columns)
    rows = session.execute(_STATE.where(DeskState.id.in_(ids)))
    found = {id_: PlannedDesk(*state) for id_, *state in rows}
    return {each: found.get(each) or PlannedDesk() for each in ids}


def visit_costs(session: Session, ids: Collection[str]) -> VisitCosts:
    """Return how many requests visits to these desks took."""
    row = sa.select(DeskState.id, DeskState.visit_requests, DeskState.open_requests)
    rows = session.execute(row.where(DeskState.id.in_(ids))).all()
    return VisitCosts(
        {id_: each for id_, each, _ in rows if each}, {id_: each for id_, _, each in rows if each}
    )
