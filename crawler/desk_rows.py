"""The planner's side of the tables: changes and requests taken, rows of desks kept, intervals written."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from api.models.desk import DeskChange, DeskState, DeskStatus, HostState
from configs.desk import Desk, Grade

_UNWATCHED = {
    Grade.STALE: "its address is known to be dead",
    Grade.RETIRED: "it does not exist any more",
}
_LOGIN = "its page needs a login that we do not have"

_INTERVALS = sa.text("""
UPDATE desks d SET wished_seconds = n.wished, feasible_seconds = n.feasible
FROM unnest(CAST(:id AS text[]), CAST(:wished AS float8[]), CAST(:feasible AS float8[])) AS n(id, wished, feasible)
WHERE d.id = n.id AND (d.wished_seconds, d.feasible_seconds) IS DISTINCT FROM (n.wished, n.feasible)
""")


@dataclass(frozen=True, slots=True)
class State:
    """What the planner needs of a desk's row."""

    last_token: int
    last_check_at: datetime | None
    status: DeskStatus
    inconclusive: int

    @property
    def rests(self) -> bool:
        """Whether its last answers say to leave it alone for a while."""
        return self.last_check_at is not None and (
            self.status is not DeskStatus.ACTIVE or self.inconclusive > 0
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
    if not desks:
        return
    rows = [{"id": desk.id} for desk in desks]
    session.execute(insert(DeskState).on_conflict_do_nothing(), rows)
    for desk in desks:
        if not desk.schedulable:
            reason = _UNWATCHED.get(desk.grade, _LOGIN)
            session.execute(
                sa.update(DeskState)
                .where(DeskState.id == desk.id, DeskState.status_reason != reason)
                .values(status=DeskStatus.PAUSED, status_reason=reason)
            )


def write_intervals(
    session: Session, wished: Mapping[str, float], feasible: Mapping[str, float]
) -> dict[str, State]:
    """Write the intervals (seconds) that changed; return the rows' state, a fresh one where there is no row."""
    ids = sorted(wished)  # in one order everywhere, so that two writers never wait for each other in a circle
    columns = {
        "id": ids,
        "wished": [wished[each] for each in ids],
        "feasible": [feasible[each] for each in ids],
    }
    session.execute(_INTERVALS, columns)
    row = sa.select(
        DeskState.id, DeskState.last_token, DeskState.last_check_at, DeskState.status, DeskState.inconclusive
    )
    states = session.execute(row.where(DeskState.id.in_(ids)))
    found = {
        each.id: State(each.last_token, each.last_check_at, each.status, each.inconclusive) for each in states
    }
    return {each: found.get(each) or State(0, None, DeskStatus.PAUSED, 0) for each in ids}


def rests(session: Session, now: datetime) -> dict[str, datetime]:
    """Return until when hosts are to be left alone: the memory that an emptied Redis lacks."""
    row = sa.select(HostState.host, HostState.rests_until).where(HostState.rests_until > now)
    return {host: until for host, until in session.execute(row) if until}
