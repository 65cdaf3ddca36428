"""Incident loop: notifies operators of sites in trouble, and subscribers of desks that stop or start being watched.

All is derived from rows and stored in the transaction that writes the notices: a crash repeats and loses nothing.
"""

import logging
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

import api.models.all  # noqa: F401 -- loaded on this thread later, half a record would meet the planner's queries
import notifier
from api.models.base import session, write_rows
from api.models.incident import INCIDENT_QUIET_SECONDS, Incident, IncidentReason
from configs.settings.constants import Constant
from configs.world.prefecture import desks
from crawler.bounds import BEYOND, REFUSED
from crawler.incidents import moved_pages, notices
from crawler.scheduling.intervals import captcha_expected

# Operators hear of an overloaded site when it has been so for this long
_OVERLOADED_TOLD_SECONDS = 1800

_LOOK_BACK = timedelta(
    days=1
)  # a run of checks is followed no further: the longest wait before a notice is half an hour
_LAYOUT_CHANGED = 2  # pages in a row that were not understood

_OUTAGES = sa.text(
    "SELECT desk_id, reason, starts_at FROM outages WHERE ends_at IS NULL AND reason <> 'stopped'"
)
# A run of overload ends with an answer that proves something (time-outs belong to it), one of unreadable pages with
# any other answer.
_RUNS = sa.text("""
SELECT d.id AS desk_id, d.last_outcome AS outcome, d.last_check_at AS last_at, min(c.started_at) AS since,
  count(*) AS times, bool_or(c.evidence = :refused) AS refused
FROM desks d JOIN checks c ON c.desk_id = d.id AND c.outcome = d.last_outcome AND c.started_at > coalesce(
  (SELECT max(o.started_at) FROM checks o WHERE o.desk_id = d.id AND o.started_at > :since
   AND CASE d.last_outcome WHEN 'overloaded' THEN o.outcome IN ('slots', 'no_slots')
     ELSE o.outcome <> d.last_outcome END), :since)
WHERE d.last_outcome IN ('overloaded', 'unreadable') AND d.last_check_at > :since GROUP BY d.id
""")
_BEYOND = sa.text("""
SELECT d.id AS desk_id, c.started_at AS since FROM desks d CROSS JOIN LATERAL (
  SELECT started_at, evidence FROM checks WHERE desk_id = d.id AND started_at > :since
  ORDER BY started_at DESC LIMIT 1) c
WHERE d.last_check_at > :since AND c.evidence LIKE :words
""")
_SEEN = sa.text("""
INSERT INTO incidents (subject, reason, starts_at, seen_at)
SELECT subject, reason, starts_at, seen_at FROM json_populate_recordset(CAST(NULL AS incidents), :rows)
ON CONFLICT (subject, reason) WHERE ends_at IS NULL
DO UPDATE SET seen_at = greatest(incidents.seen_at, excluded.seen_at)
""")
_OVER = sa.text("""
UPDATE incidents SET ends_at = greatest(starts_at, seen_at)
WHERE ends_at IS NULL AND seen_at <= :quiet AND reason = ANY(:reasons)
""")
_OF_SITES = [each.value for each in IncidentReason if not each.of_operations]


# By subject and reason: the desks that a trouble keeps from being watched, and since when
DesksInTrouble = dict[tuple[str, IncidentReason], dict[str, datetime]]
_Sign = tuple[str, IncidentReason, datetime]  # a desk, why it is in trouble, and since when


def find_incidents(session: Session, now: datetime) -> DesksInTrouble:
    """Return what is in trouble now, of desks that the files let be watched.

    A page that was closed or moved is a trouble of its own, all else one of its host.
    """
    found: DesksInTrouble = defaultdict(dict)
    for desk_id, reason, since in (
        *_outages(session),
        *_runs(session, now),
        *_beyond(session, now),
        *_drifts(session),
    ):
        if (desk := desks().get(desk_id)) and desk.schedulable:
            together = found[desk.id if reason.of_desk else desk.host, reason]
            together[desk.id] = min(since, together.get(desk.id, since))
    return dict(sorted(found.items()))


def store_incidents(session: Session, found: DesksInTrouble, now: datetime) -> None:
    """Bring the incidents up to what was found; what has not been seen for INCIDENT_QUIET_SECONDS is over."""
    rows = [
        {"subject": subject, "reason": reason, "starts_at": min(together.values()), "seen_at": now}
        for (subject, reason), together in found.items()
    ]
    session.execute(_SEEN, {"rows": write_rows(rows)})
    quiet = now - timedelta(seconds=INCIDENT_QUIET_SECONDS)
    session.execute(_OVER, {"quiet": quiet, "reasons": _OF_SITES})


def _outages(session: Session) -> Iterable[_Sign]:
    for desk_id, reason, since in session.execute(_OUTAGES):
        desk = desks().get(desk_id)
        if not (desk and reason == IncidentReason.CAPTCHA and captcha_expected(desk)):
            yield desk_id, IncidentReason(reason), since


def _runs(session: Session, now: datetime) -> Iterable[_Sign]:
    lasts = timedelta(seconds=_OVERLOADED_TOLD_SECONDS)
    for row in session.execute(_RUNS, {"since": now - _LOOK_BACK, "refused": REFUSED}):
        reason = IncidentReason(row.outcome)
        long = row.last_at - row.since >= lasts
        if long if reason is IncidentReason.OVERLOADED else row.refused or row.times >= _LAYOUT_CHANGED:
            yield row.desk_id, reason, row.since


def _beyond(session: Session, now: datetime) -> Iterable[_Sign]:
    """Yield the desks whose last check saw moments beyond their horizon: it may be too short, or they are misread."""
    found = session.execute(_BEYOND, {"since": now - _LOOK_BACK, "words": f"%{BEYOND}%"})
    return ((desk_id, IncidentReason.HORIZON, since) for desk_id, since in found)


def _drifts(session: Session) -> Iterable[_Sign]:
    open_ones = moved_pages.find_open_drifts(session)
    return ((each.desk_id, IncidentReason(each.reason.value), each.starts_at) for each in open_ones)


# How often troubles are looked for of which operators and subscribers are notified
INCIDENT_CHECK_SECONDS = Constant("INCIDENT_CHECK_SECONDS", 5.0)
# Operators hear of a site that limits our requests when it has done so for this long
_RATE_LIMITED_TOLD_SECONDS = 1800
# Subscribers hear of a site's maintenance when it has lasted this long
_MAINTENANCE_TOLD_SECONDS = 3600

log = logging.getLogger(__name__)

_LOCK = 0x74696470  # an advisory lock: one process notifies at a time
_LISTED = 20  # desks named in one message to operators


def run_once(now: datetime) -> int:
    """Update the incidents and write the notices that are due; return how many.

    Raises:
        sqlalchemy.exc.DBAPIError: the database is away; nothing is forgotten.
    """
    with session() as rows:
        rows.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK)))
        moved_pages.end_settled_drifts(rows, desks(), now)
        found = find_incidents(rows, now)
        store_incidents(rows, found, now)
        written = _write_notices(rows, found, now) + notices.write_recovery_notices(rows, now)
        written += notices.write_watchable_notices(rows) + notices.write_reminders(rows, now)
    notifier.nudge(written)
    return len(written)


def _write_notices(rows: Session, found: DesksInTrouble, now: datetime) -> list[UUID]:
    open_ones = rows.scalars(sa.select(Incident).where(Incident.ends_at.is_(None)).order_by(Incident.id))
    known = {(each.subject, each.reason): each for each in open_ones}
    written: list[UUID] = []
    for named, together in found.items():
        incident, ids = known[named], sorted(together)
        if incident.told_at is None and _is_due_for_operators(incident, now):
            written += _notify_operators(rows, incident, ids, now)
        if _is_due_for_subscribers(incident, now):
            written += notices.write_outage_notices(rows, incident, [desks()[each] for each in ids], now)
    return written


def _is_due_for_operators(incident: Incident, now: datetime) -> bool:
    """Tell whether operators are to be notified: after the reason's wait, never of maintenance or what they know."""
    waits = {IncidentReason.RATE_LIMITED: _RATE_LIMITED_TOLD_SECONDS}
    wait = timedelta(seconds=waits.get(incident.reason, 0))
    if incident.reason is IncidentReason.MAINTENANCE or incident.acknowledged_at:
        return False
    return now - incident.starts_at >= wait


def _is_due_for_subscribers(incident: Incident, now: datetime) -> bool:
    if incident.reason is IncidentReason.MAINTENANCE:
        return now - incident.starts_at >= timedelta(seconds=_MAINTENANCE_TOLD_SECONDS)
    return incident.reason.of_desk


def _notify_operators(rows: Session, incident: Incident, ids: Sequence[str], now: datetime) -> list[UUID]:
    subject, reason, since = incident.subject, incident.reason.value, incident.starts_at.isoformat()
    log.warning("%s: %s since %s, %d desks", subject, reason, since, len(ids))
    params = {
        "subject": subject,
        "reason": reason,
        "since": since,
        "desks": list(ids[:_LISTED]),
        "count": len(ids),
    }
    return notifier.raise_alarm(rows, incident, "desk_trouble", params, now)
