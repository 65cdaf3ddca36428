"""Recording of paid time without watching, before what it is read from changes: checks, alerts and plans go.

A hole is the time between two proven answers that none of an alert's desks had, longer than what was promised. It is
read from `checks`, so that our own standstill counts like the site's trouble, and while it lasts. Holes of all open
alerts are one list for the person, clipped to the paid time. Which of them count is api/payments/ledger/watch_gaps.py.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.alerts.targets import find_watched_desks, select_waiting
from api.models.alert import Alert
from api.models.desk import DeskState
from api.models.payment import Payment, Unwatched
from api.models.user import Grant
from configs.world.plan import plan

LATE = timedelta(minutes=10)  # a check is recorded within this time of its start
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
_BEFORE = 2 * HOUR  # of what was measured: a hole that is longer is recorded up to there

# A hole begins behind its answer, so that two of them do not touch there; where measuring was cut they do.
_GAPS = sa.text("""
WITH proven AS (
  SELECT started_at AS at FROM checks
  WHERE desk_id = ANY(:desks) AND started_at >= :begins AND started_at < :ends AND outcome IN ('slots', 'no_slots')
    AND NOT probe
  UNION ALL SELECT CAST(:begins AS timestamptz)
  UNION ALL SELECT CAST(:ends AS timestamptz)
)
SELECT before + CASE before WHEN :begins THEN interval '0' ELSE interval '1 microsecond' END, at
FROM (SELECT at, lag(at) OVER (ORDER BY at) AS before FROM proven) pairs
WHERE at > before AND at > :measured AND (at - before > :least OR before = :opened OR (:cut AND at = :ends))
ORDER BY at
""")


@dataclass(frozen=True, slots=True)
class Hole:
    """A time without watching; `least` is the length from which it can count."""

    starts_at: datetime
    ends_at: datetime
    least: timedelta = timedelta()


def record_unwatched(session: Session, user_id: UUID, now: datetime, *, cut: bool = True) -> None:
    """Write the holes of a locked user's paid time up to now.

    `cut`: alerts or plans change now, so that a hole that is open is told apart from its rest. Otherwise the last
    minutes wait, whose checks may not be recorded yet.
    """
    session.flush()
    ends = now if cut else now - LATE
    for payment, holes in measure_unwatched(session, user_id, ends, cut=cut):
        for hole in holes:
            _write(session, payment.id, hole)
        payment.measured_at = max(ends, payment.measured_at or ends)
    session.flush()


def measure_unwatched(
    session: Session, user_id: UUID, ends: datetime, *, cut: bool = True
) -> list[tuple[Payment, list[Hole]]]:
    """Return the holes since the last measuring, for each payment whose time ran since."""
    since = sa.func.coalesce(Payment.measured_at, Grant.starts_at)
    query = (
        sa.select(Payment, Grant)
        .join(Grant, Grant.payment_id == Payment.id)
        .where(Grant.user_id == user_id, Grant.starts_at < ends, Grant.ends_at > since, since < ends)
    )
    rows = session.execute(query.order_by(Payment.id, Grant.starts_at)).all()
    if not rows:
        return []
    begins = min(payment.measured_at or grant.starts_at for payment, grant in rows)
    promised = MINUTE + timedelta(seconds=min(plan(each.plan).interval_seconds or 0 for each, _ in rows))
    alerts = session.scalars(select_waiting(user_id)).all()
    gaps = [
        hole for each in alerts for hole in _find_gaps(session, each, begins, ends, least=promised, cut=cut)
    ]
    holes = merge_holes(gaps)
    found: dict[Payment, list[Hole]] = defaultdict(list)
    for payment, grant in rows:
        found[payment] += clip(holes, ((grant.starts_at, grant.ends_at),))
    return list(found.items())


def _find_gaps(
    session: Session, alert: Alert, measured: datetime, ends: datetime, *, least: timedelta, cut: bool
) -> Iterator[Hole]:
    desks = [desk.id for desk in find_watched_desks(alert.targets) if desk.shows_slots]
    begins = max(measured - _BEFORE, alert.watched_since)
    if not desks or begins >= ends:
        return
    shortest = sa.select(sa.func.min(DeskState.feasible_seconds)).where(DeskState.id.in_(desks))
    promised = MINUTE + timedelta(seconds=session.scalar(shortest) or 0)  # as the alert shows it
    least = max(least, min(promised, HOUR))
    values = {"desks": desks, "begins": begins, "ends": ends, "measured": measured, "least": least}
    values |= {"opened": alert.watched_since, "cut": cut}
    for before, at in session.execute(_GAPS, values):
        yield Hole(before, at, least)


def _write(session: Session, payment_id: UUID, hole: Hole) -> None:
    """Write a hole; one that it touches grows."""
    near = sa.select(Unwatched).where(
        Unwatched.payment_id == payment_id,
        Unwatched.starts_at <= hole.ends_at,
        Unwatched.ends_at >= hole.starts_at,
    )
    known = session.scalars(near.order_by(Unwatched.starts_at)).first()
    if known is None:
        add_hole(session, payment_id, hole)
        return
    known.starts_at, known.ends_at = (
        min(known.starts_at, hole.starts_at),
        max(known.ends_at, hole.ends_at),
    )
    known.least_seconds = min(known.least_seconds, int(hole.least.total_seconds()))
    session.flush()


def add_hole(session: Session, payment_id: UUID, hole: Hole) -> None:
    """Write a time of a payment in which nothing was watched, whatever the checks say."""
    if hole.ends_at > hole.starts_at:
        least = int(hole.least.total_seconds())
        row = Unwatched(
            payment_id=payment_id, starts_at=hole.starts_at, ends_at=hole.ends_at, least_seconds=least
        )
        session.add(row)
        session.flush()


def merge_holes(holes: Iterable[Hole]) -> list[Hole]:
    """Return holes that may overlap or touch as times that do not: no time is given back twice."""
    merged: list[Hole] = []
    for each in sorted(holes, key=lambda hole: hole.starts_at):
        if merged and each.starts_at <= merged[-1].ends_at:
            last = merged[-1]
            merged[-1] = Hole(last.starts_at, max(last.ends_at, each.ends_at), min(last.least, each.least))
        else:
            merged.append(each)
    return merged


def measure(holes: Iterable[Hole]) -> int:
    """Return the seconds of holes that do not overlap, rounded up."""
    return math.ceil(sum((each.ends_at - each.starts_at for each in holes), timedelta()).total_seconds())


def clip(holes: Sequence[Hole], spans: Iterable[tuple[datetime, datetime]]) -> list[Hole]:
    """Return the parts of holes that lie in these spans."""
    parts = (
        Hole(max(hole.starts_at, start), min(hole.ends_at, end), hole.least)
        for start, end in spans
        for hole in holes
    )
    return merge_holes(each for each in parts if each.ends_at > each.starts_at)
