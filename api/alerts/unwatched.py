"""Recording of paid time with and without watching, before what it is read from changes: checks, alerts and plans go.

A hole is the time between two proven answers that none of an alert's desks had, longer than what was promised. It is
read from `checks`, so that our own standstill counts like the site's trouble, and while it lasts. Holes of all open
alerts are one list for the person, clipped to the paid time. Which of them count is api/payments/ledger/watch_gaps.py.

Of people whom organisations help watched hours are recorded. One counts where at least one alert waited for its whole
length with a desk that checks watch, and had no hole that a person with the same plan would be given back; and where
the person had the organisation's grant.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from api.alerts.targets import find_watched_desks, select_waiting
from api.models.alert import Alert
from api.models.desk import DeskState
from api.models.organisation import GRANT_SOURCE, Beneficiary, WatchedDay
from api.models.payment import Payment, Unwatched
from api.models.user import Grant
from configs.ground.clock import clock
from configs.world.plan import PlanName, organisation_prices, plan

LATE = timedelta(minutes=10)  # a check is recorded within this time of its start
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
SETTLED = (
    LATE + HOUR
)  # of an hour: then a hole that begins in it has shown its length, and checks are recorded
PARIS = ZoneInfo("Europe/Paris")
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
    gaps = [find_gaps(session, each, begins, ends, least=promised, cut=cut) for each in alerts]
    holes = merge_holes(hole for each in gaps for hole in each or ())
    found: dict[Payment, list[Hole]] = defaultdict(list)
    for payment, grant in rows:
        found[payment] += clip(holes, ((grant.starts_at, grant.ends_at),))
    return list(found.items())


def find_gaps(
    session: Session, alert: Alert, measured: datetime, ends: datetime, *, least: timedelta, cut: bool
) -> list[Hole] | None:
    """Return the times without a proof of an alert's desks since it was measured; None where no check watches any."""
    desks = [desk.id for desk in find_watched_desks(alert.targets) if desk.shows_slots]
    begins = max(measured - _BEFORE, alert.watched_since)
    if not desks or begins >= ends:
        return None
    shortest = sa.select(sa.func.min(DeskState.feasible_seconds)).where(DeskState.id.in_(desks))
    promised = MINUTE + timedelta(seconds=session.scalar(shortest) or 0)  # as the alert shows it
    least = max(least, min(promised, HOUR))
    values = {"desks": desks, "begins": begins, "ends": ends, "measured": measured, "least": least}
    values |= {"opened": alert.watched_since, "cut": cut}
    return [Hole(before, at, least) for before, at in session.execute(_GAPS, values)]


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


def record_watching(session: Session, user_id: UUID) -> None:
    """Write what was watched for a locked user, and what was not, up to now: alerts or plans change."""
    record_hours(session, user_id, clock(), cut=True)
    record_unwatched(session, user_id, clock())


def record_hours(session: Session, user_id: UUID, now: datetime, *, cut: bool) -> None:
    """Write the watched hours of a locked user whom an organisation helps, each once; of others nothing.

    `cut`: alerts or the grant change now. Otherwise hours wait until nothing about them is open.
    """
    person = session.get(Beneficiary, user_id) if organisation_prices() else None
    if person is None:
        return
    begins = person.measured_until or _floor(person.created_at)
    ends = _floor(now if cut else now - SETTLED)
    if begins >= ends:
        return
    helped_until = min(ends, person.ends_at or ends)
    days: dict[date, int] = defaultdict(int)
    for hour in _list_watched(session, user_id, begins, helped_until, now if cut else now - LATE):
        day, place = locate(hour)
        days[day] |= 1 << place
    for day, hours in days.items():
        key = {"organisation_id": person.organisation_id, "reference": person.reference, "day": day}
        row = insert(WatchedDay).values(hours=hours, **key)
        both = WatchedDay.hours.bitwise_or(row.excluded.hours)
        session.execute(row.on_conflict_do_update(index_elements=list(key), set_={"hours": both}))
    person.measured_until = ends
    session.flush()


def locate(hour: datetime) -> tuple[date, int]:
    """Return the day in Paris of an hour, and how many hours after its midnight it begins."""
    day = hour.astimezone(PARIS).date()
    return day, round((hour - begin_day(day)) / HOUR)


def begin_day(day: date) -> datetime:
    """Return the midnight with which a day begins in Paris."""
    return datetime.combine(day, time(), PARIS).astimezone(UTC)


def list_hours(row: WatchedDay) -> list[datetime]:
    """Return when the watched hours of a day begin."""
    midnight = begin_day(row.day)
    return [midnight + place * HOUR for place in range(row.hours.bit_length()) if row.hours >> place & 1]


def _floor(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def _list_watched(
    session: Session, user_id: UUID, begins: datetime, ends: datetime, seen_until: datetime
) -> set[datetime]:
    mine = (Grant.user_id == user_id, Grant.source == GRANT_SOURCE, Grant.ends_at > begins)
    granted = [(each.starts_at, each.ends_at) for each in session.scalars(sa.select(Grant).where(*mine))]
    hours = [begins + number * HOUR for number in range(max(int((ends - begins) / HOUR), 0))]
    within = {each for each in hours if any(start <= each and each + HOUR <= end for start, end in granted)}
    alerts = session.scalars(select_waiting(user_id)).all() if within else ()
    return {each for alert in alerts for each in _list_covered(session, alert, within, begins, seen_until)}


def _list_covered(
    session: Session, alert: Alert, hours: set[datetime], begins: datetime, seen_until: datetime
) -> Iterator[datetime]:
    least = MINUTE + timedelta(seconds=plan(PlanName.URGENCE_TOTAL).interval_seconds or 0)
    gaps = find_gaps(session, alert, begins, seen_until, least=least, cut=False)
    holes = None if gaps is None else [each for each in gaps if each.ends_at - each.starts_at > each.least]
    for hour in hours if holes is not None else ():
        if alert.watched_since <= hour and not any(
            each.starts_at < hour + HOUR and each.ends_at > hour for each in holes or ()
        ):
            yield hour
