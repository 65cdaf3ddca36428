"""Incident loop: notifies operators of sites in trouble, and subscribers of desks that stop or start being watched.

All is derived from rows and stored in the transaction that writes the notices: a crash repeats and loses nothing.
"""

import logging
import threading
from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

import api.models.all  # noqa: F401 -- loaded on this thread later, half a record would meet the planner's queries
import notifier
from api.models.base import session
from api.models.database_clock import database_clock
from api.models.incident import Incident, IncidentReason
from configs.ground.part_failures import PartFailures
from configs.settings.constants import Constant
from configs.world.prefecture import desks
from crawler.advisory_lock import AdvisoryLock
from crawler.incidents import incidents, moved_pages, outage_notices, release_reminders, watchable_notices
from crawler.incidents.incidents import FoundIncident

# How often troubles are looked for of which operators and subscribers are notified
_INCIDENT_CHECK_SECONDS = Constant("INCIDENT_CHECK_SECONDS", 5.0)
# Operators hear of a site that limits our requests when it has done so for this long
_RATE_LIMITED_TOLD_SECONDS = 1800
# Subscribers hear of a site's maintenance when it has lasted this long
_MAINTENANCE_TOLD_SECONDS = 3600

log = logging.getLogger(__name__)

_LOCK = 0x74696470  # one process notifies at a time
_LISTED = 20  # desks named in one message to operators


class IncidentLoop:
    """The incident loop; its state is in the tables."""

    def __init__(self, failures: PartFailures | None = None) -> None:
        self._failures = failures or PartFailures()
        self._lock = AdvisoryLock(_LOCK)

    def run(self, stop: threading.Event) -> None:
        """Run each INCIDENT_CHECK_SECONDS until `stop` is set; a run that fails is named by health and repeated."""
        while not stop.is_set():
            self._failures.run("incidents", lambda: run_once(database_clock(), self._lock))
            stop.wait(_INCIDENT_CHECK_SECONDS())


def run_once(now: datetime, lock: AdvisoryLock | None = None) -> int:
    """Update the incidents and write the notices that are due; return how many.

    Raises:
        sqlalchemy.exc.DBAPIError: the database is away; nothing is forgotten.
        LockHeldError: another process hangs.
    """
    with session() as rows:
        if not (lock or AdvisoryLock(_LOCK)).take(rows, now):
            return 0
        moved_pages.end_settled_drifts(rows, desks(), now)
        found = incidents.find_incidents(rows, now)
        incidents.store_incidents(rows, found, now)
        written = _write_notices(rows, found, now) + outage_notices.write_recovery_notices(rows, now)
        written += watchable_notices.write_watchable_notices(rows) + release_reminders.write_reminders(
            rows, now
        )
    notifier.nudge(written)
    return len(written)


def _write_notices(rows: Session, found: Sequence[FoundIncident], now: datetime) -> list[UUID]:
    open_ones = rows.scalars(sa.select(Incident).where(Incident.ends_at.is_(None)).order_by(Incident.id))
    known = {(each.subject, each.reason): each for each in open_ones}
    written: list[UUID] = []
    for each in found:
        incident = known[each.subject, each.reason]
        if incident.told_at is None and _is_due_for_operators(incident, now):
            written += _notify_operators(rows, incident, each, now)
        if _is_due_for_subscribers(incident, now):
            written += outage_notices.write_outage_notices(rows, incident, each.desks, now)
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


def _notify_operators(rows: Session, incident: Incident, found: FoundIncident, now: datetime) -> list[UUID]:
    log.warning(
        "%s: %s since %s, %d desks",
        found.subject,
        found.reason,
        incident.starts_at.isoformat(),
        len(found.desks),
    )
    params = {
        "subject": found.subject,
        "reason": found.reason.value,
        "since": incident.starts_at.isoformat(),
        "desks": [desk.id for desk in found.desks[:_LISTED]],
        "count": len(found.desks),
    }
    return notifier.raise_alarm(rows, incident, "desk_trouble", params, now)
