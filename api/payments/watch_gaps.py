"""Holes in the watching of paid plans: time between two proven answers that none of an alert's desks had.

Read from `checks`, so that our own standstill counts like the site's trouble: a worker that does not run opens no
outage. A hole counts once it is over, by an answer or by the end of the plan.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session, selectinload

from api.alerts.targets import find_watched_desks
from api.models.alert import Alert
from api.models.desk import DeskState
from api.models.payment import Payment
from api.models.user import Grant
from api.models.watch_credit import WatchCredit
from api.payments.plan_credits import FOR_TIME, keeps_plan
from configs.plan import plan

ACCEPTED_THRESHOLD = timedelta(hours=1)  # where the user accepted it with the order
_MINUTE = timedelta(minutes=1)
_LATE = timedelta(minutes=10)  # a check is recorded within this time of its start
_KEPT = timedelta(days=6)  # checks that are surely still there: PARTITION_DAYS_LOW

_GAPS = sa.text("""
WITH proven AS (
  SELECT started_at AS at FROM checks
  WHERE desk_id = ANY(:desks) AND started_at >= :begins AND started_at < :ends AND outcome IN ('slots', 'no_slots')
  UNION ALL SELECT CAST(:begins AS timestamptz)
  UNION ALL SELECT CAST(:ends AS timestamptz) WHERE :over
)
SELECT before, at FROM (SELECT at, lag(at) OVER (ORDER BY at) AS before FROM proven) pairs
WHERE at - before > :least ORDER BY at
""")


@dataclass(frozen=True, slots=True)
class Hole:
    """A time without watching."""

    starts_at: datetime
    ends_at: datetime

    @property
    def seconds(self) -> int:
        """Its length, rounded down."""
        return int((self.ends_at - self.starts_at).total_seconds())


def find_holes(session: Session, payment: Payment, now: datetime) -> list[Hole]:
    """Return the holes of a payment's time that are over and were not given back yet, the oldest first."""
    known = sa.select(sa.func.max(WatchCredit.ends_at)).where(WatchCredit.payment_id == payment.id)
    since = max(session.scalar(known) or payment.created_at, now - _KEPT)
    grants = session.scalars(
        sa.select(Grant).where(Grant.payment_id == payment.id, Grant.ends_at > since, Grant.starts_at < now)
    ).all()
    alerts = session.scalars(
        sa.select(Alert)
        .where(Alert.user_id == payment.user_id, Alert.enabled, Alert.closed_at.is_(None))
        .options(selectinload(Alert.targets))
    ).all()
    least = find_threshold(session, payment)
    found = [
        hole
        for grant in grants
        for alert in alerts
        for hole in _find_gaps(session, alert, grant, since, now=now, least=least)
    ]
    return _merge(found)


def find_threshold(session: Session, payment: Payment) -> timedelta:
    """Return from which length a hole counts: an hour where that was accepted, otherwise what the plan promises.

    A renewal has the threshold of its subscription's order. `_find_gaps` raises it where a site allows fewer visits.
    """
    consent = payment.consent
    if consent is None and payment.subscription_id:
        order = sa.select(Payment.consent).where(
            Payment.subscription_id == payment.subscription_id, Payment.consented_at.is_not(None)
        )
        consent = session.scalar(order.limit(1))
    if (consent or {}).get("acceptsHourThreshold"):
        return ACCEPTED_THRESHOLD
    return _MINUTE + timedelta(seconds=plan(payment.plan).interval_seconds or 0)


def _find_gaps(
    session: Session, alert: Alert, grant: Grant, since: datetime, *, now: datetime, least: timedelta
) -> Iterable[Hole]:
    desks = [desk.id for desk in find_watched_desks(alert.targets) if desk.shows_slots]
    begins = max(since, grant.starts_at, alert.watched_since)
    over = grant.ends_at <= now - _LATE
    ends = grant.ends_at if over else now - _LATE
    if not desks or begins >= ends:
        return []
    shortest = sa.select(sa.func.min(DeskState.feasible_seconds)).where(DeskState.id.in_(desks))
    promised = _MINUTE + timedelta(seconds=session.scalar(shortest) or 0)  # as the alert shows it
    least = max(least, min(promised, ACCEPTED_THRESHOLD))
    values = {"desks": desks, "begins": begins, "ends": ends, "over": over, "least": least}
    return [Hole(before, at) for before, at in session.execute(_GAPS, values)]


def _merge(holes: Sequence[Hole]) -> list[Hole]:
    """Return the holes of several alerts as times that do not overlap: no time is given back twice."""
    merged: list[Hole] = []
    for each in sorted(holes, key=lambda hole: hole.starts_at):
        if merged and each.starts_at <= merged[-1].ends_at:
            merged[-1] = Hole(merged[-1].starts_at, max(merged[-1].ends_at, each.ends_at))
        else:
            merged.append(each)
    return merged


def list_watched_payments(session: Session, now: datetime) -> list[UUID]:
    """Return the paid payments whose time ran lately."""
    lately = (Grant.starts_at < now, Grant.ends_at > now - _KEPT)
    query = sa.select(Payment.id).join(Grant, Grant.payment_id == Payment.id)
    paid = query.where(*lately, keeps_plan(*FOR_TIME), Payment.user_id.is_not(None))
    return list(session.scalars(paid.distinct().order_by(Payment.id)))
