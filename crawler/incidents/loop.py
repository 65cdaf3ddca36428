"""Incident loop: notifies operators of sites in trouble, and subscribers of desks that stop or start being watched.

All is derived from rows and stored in the transaction that writes the notices: a crash repeats and loses nothing.
"""

import logging
from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

import api.models.all  # noqa: F401 -- loaded on this thread later, half a record would meet the planner's queries
import notifier
from api.models.base import session, write_rows
from api.models.incident import INCIDENT_QUIET_SECONDS, Incident, IncidentReason
from configs.settings import Constant
from configs.world.prefecture import desks
from crawler.bounds import BEYOND, REFUSED
from crawler.incidents import moved_pages, outage_notices, release_reminders, robots_bans, watchable_notices
from crawler.scheduling.intervals import captcha_expected

# How often troubles are looked for of which operators and subscribers are notified
incident_check_seconds = Constant("INCIDENT_CHECK_SECONDS", 5.0)
# Operators hear of a site that is overloaded, or limits our requests, when it has been so for this long
_TOLD_AFTER = timedelta(minutes=30)
# Subscribers hear of a site's maintenance when it has lasted this long
_MAINTENANCE_TOLD_AFTER = timedelta(hours=1)

log = logging.getLogger(__name__)

_LOCK = 0x74696470  # an advisory lock: one process notifies at a time
_LISTED = 20  # desks named in one message to operators
# A run of checks is followed no further: the longest wait before a notice is half an hour.
_LOOK_BACK = timedelta(days=1)
_LAYOUT_CHANGED = 2  # pages in a row that were not understood

_OUTAGES = sa.text(
    "SELECT desk_id, reason, starts_at FROM outages WHERE ends_at IS NULL AND reason <> 'stopped'"
)
# A run of overload ends with an answer that proves something (time-outs belong to it), one of unreadable pages with
# any other answer.
_RUNS = sa.text("""
SELECT d.id AS desk_id, d.last_outcome AS outcome, d.last_check_at AS last_at, min(c.started_at) AS since,
  count(*) AS times, bool_or(c.evidence = :refused) AS refused
FROM desks d JOIN checks c ON c.desk_id = d.id AND NOT c.probe AND c.outcome = d.last_outcome
  AND c.started_at > coalesce(
  (SELECT max(o.started_at) FROM checks o WHERE o.desk_id = d.id AND o.started_at > :since
   AND CASE d.last_outcome WHEN 'overloaded' THEN o.outcome IN ('slots', 'no_slots')
     ELSE o.outcome <> d.last_outcome END), :since)
WHERE d.last_outcome IN ('overloaded', 'unreadable') AND d.last_check_at > :since GROUP BY d.id
""")
_BEYOND = sa.text("""
SELECT d.id AS desk_id, c.started_at AS since FROM desks d CROSS JOIN LATERAL (
  SELECT started_at, evidence FROM checks WHERE desk_id = d.id AND started_at > :since AND NOT probe
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


def run_once(now: datetime) -> int:
    """Update the incidents and write the notices that are due; return how many.

    Raises:
        sqlalchemy.exc.DBAPIError: the database is away; nothing is forgotten.
    """
    with session() as rows:
        rows.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK)))
        moved_pages.end_settled_drifts(rows, desks(), now)
        found = _find_incidents(rows, now)
        _store_incidents(rows, found, now)
        written = _write_notices(rows, found, now) + outage_notices.write_recovery_notices(rows, now)
        written += watchable_notices.write_watchable_notices(rows, now)
        written += release_reminders.write_reminders(rows, now)
    notifier.ask_deliver(written)
    return len(written)


def _find_incidents(session: Session, now: datetime) -> DesksInTrouble:
    """Return what is in trouble now, of desks that the files let be watched.

    A page that was closed or moved is a trouble of its own, all else one of its host.
    """
    found: DesksInTrouble = defaultdict(dict)
    for desk_id, reason, since in _find_signs(session, now - _LOOK_BACK):
        desk = desks().get(desk_id)
        if (
            not desk
            or not (desk.schedulable or desk.is_probed)
            or (reason is IncidentReason.CAPTCHA and captcha_expected(desk))
        ):
            continue
        together = found[desk.id if reason.of_desk else desk.host, reason]
        together[desk.id] = min(since, together.get(desk.id, since))
    return dict(sorted(found.items()))


def _find_signs(session: Session, since: datetime) -> Iterator[tuple[str, IncidentReason, datetime]]:
    """Yield desks, why each is in trouble, and since when."""
    for desk_id, reason, starts_at in session.execute(_OUTAGES):
        yield desk_id, IncidentReason(reason), starts_at
    for row in session.execute(_RUNS, {"since": since, "refused": REFUSED}):
        reason = IncidentReason(row.outcome)
        long = row.last_at - row.since >= _TOLD_AFTER
        if long if reason is IncidentReason.OVERLOADED else row.refused or row.times >= _LAYOUT_CHANGED:
            yield row.desk_id, reason, row.since
    # The last check saw moments beyond the desk's horizon: it may be too short, or they are misread.
    for desk_id, at in session.execute(_BEYOND, {"since": since, "words": f"%{BEYOND}%"}):
        yield desk_id, IncidentReason.HORIZON, at
    for desk_id, at in robots_bans.find_banned(session).items():
        yield desk_id, IncidentReason.FORBIDDEN, at
    for drift in moved_pages.find_open_drifts(session):
        yield drift.desk_id, IncidentReason(drift.reason.value), drift.starts_at


def _store_incidents(session: Session, found: DesksInTrouble, now: datetime) -> None:
    """Bring the incidents up to what was found; what has not been seen for INCIDENT_QUIET_SECONDS is over."""
    rows = [
        {"subject": subject, "reason": reason, "starts_at": min(together.values()), "seen_at": now}
        for (subject, reason), together in found.items()
    ]
    session.execute(_SEEN, {"rows": write_rows(rows)})
    quiet = now - timedelta(seconds=INCIDENT_QUIET_SECONDS)
    session.execute(_OVER, {"quiet": quiet, "reasons": _OF_SITES})


def _write_notices(rows: Session, found: DesksInTrouble, now: datetime) -> list[UUID]:
    open_ones = rows.scalars(sa.select(Incident).where(Incident.ends_at.is_(None)).order_by(Incident.id))
    known = {(each.subject, each.reason): each for each in open_ones}
    written: list[UUID] = []
    for named, together in found.items():
        incident, ids = known[named], sorted(together)
        reason, lasts = incident.reason, now - incident.starts_at
        # Operators are never notified of it, nor of what they know.
        maintenance = reason is IncidentReason.MAINTENANCE
        is_due = reason is not IncidentReason.RATE_LIMITED or lasts >= _TOLD_AFTER
        if is_due and not (maintenance or incident.told_at or incident.acknowledged_at):
            written += _notify_operators(rows, incident, ids, now)
        if lasts >= _MAINTENANCE_TOLD_AFTER if maintenance else reason.of_desk:
            written += outage_notices.write_outage_notices(
                rows, incident, [desks()[each] for each in ids], now
            )
    return written


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
