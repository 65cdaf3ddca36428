"""False alarms: an alarm is raised when three people report within an hour that a desk's page shows nothing.

The answers change nothing by themselves: anybody can have three accounts. An operator compares the page with the
proofs, and may pause the desk.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

import notifier
from api.ground.messages import ask_deliver_later
from api.models.base import is_any_of
from api.models.incident import Incident, IncidentReason
from api.models.slot import Detection, is_from_check
from configs.ground.clock import clock

_PEOPLE = 3
_WITHIN = timedelta(hours=1)
_PROOFS = 5  # in one incident, the newest
_DAY = timedelta(days=1)
_QUIET = _DAY  # after an alarm of a desk, in which other reports raise none
_CLOCKS_DIFFER = timedelta(minutes=1)
_KIND = "desk_trouble"

# What was sent or answered before the last reports was about what led to them. Where our own checks had seen all its
# slots go by then, the page rightly showed nothing: the answer says no more than "too late". So it does of slots that
# were detected again after it.
_REPORTED = sa.text("""
SELECT d.desk_id, CAST(count(DISTINCT a.user_id) AS int) AS people, array_agg(DISTINCT d.id) AS detections
FROM answers r
CROSS JOIN LATERAL (SELECT coalesce(r.changed_at, r.answered_at) AS at) g
JOIN matches m ON m.id = r.match_id
JOIN alerts a ON a.id = m.alert_id
JOIN detections d ON d.id = m.detection_id AND d.source = 'check'
WHERE r.value = 'nothing_there' AND r.answered_at > :earliest AND g.at > :since AND g.at <= :until
  AND NOT EXISTS (
    SELECT FROM incidents i WHERE i.subject = d.desk_id AND i.reason = 'false_alarms' AND i.seen_at <= :until
      AND i.seen_at >= least(m.decided_at, g.at)
  )
  AND EXISTS (
    SELECT FROM unnest(m.slots) AS span JOIN slots s ON s.id >= lower(span) AND s.id < upper(span)
    WHERE (s.gone_at IS NULL OR s.gone_at > g.at OR s.gone_reason = 'superseded')
      AND NOT EXISTS (
        SELECT FROM detection_slots x JOIN detections e ON e.id = x.detection_id
        WHERE x.slot_id = s.id AND e.seen_at > g.at)
  )
GROUP BY d.desk_id HAVING count(DISTINCT a.user_id) >= :people ORDER BY d.desk_id
""")


def report_false_alarms(session: Session) -> None:
    """Alarm operators of desks whose false alarms were reported."""
    now = clock()
    since = now - _WITHIN
    given = {"earliest": since - _DAY, "since": since, "until": now + _CLOCKS_DIFFER, "people": _PEOPLE}
    for row in session.execute(_REPORTED, given).all():
        proofs = _list_proofs(session, row.detections)
        _open_incident(session, row.desk_id, row.people, proofs, now)


def _list_proofs(session: Session, detection_ids: Sequence[UUID]) -> list[dict[str, str]]:
    """Return the detections that were reported and have a proof, the newest first."""
    proven = sa.select(Detection.id, Detection.seen_at).where(
        is_any_of(Detection.id, detection_ids), Detection.proof_key.is_not(None), is_from_check(Detection)
    )
    rows = session.execute(proven.order_by(Detection.seen_at.desc()).limit(_PROOFS))
    return [{"detection": str(row.id), "seen_at": row.seen_at.isoformat()} for row in rows]


def _open_incident(
    session: Session, desk_id: str, people: int, proofs: list[dict[str, str]], now: datetime
) -> None:
    """Open the incident of a desk, and alarm operators; within a day of an alarm that one gets the new proofs."""
    known = Incident.subject == desk_id, Incident.reason == IncidentReason.FALSE_ALARMS
    is_old = Incident.told_at.is_(None) | (Incident.told_at <= now - _QUIET)
    old = sa.update(Incident).where(*known, Incident.ends_at.is_(None), is_old)
    session.execute(old.values(ends_at=sa.func.greatest(Incident.starts_at, now)))
    values = {"subject": desk_id, "reason": IncidentReason.FALSE_ALARMS, "starts_at": now, "seen_at": now}
    made = insert(Incident).values(values)
    incident = session.scalars(
        made.on_conflict_do_update(
            index_elements=[Incident.subject, Incident.reason],
            index_where=Incident.ends_at.is_(None),
            set_={"seen_at": made.excluded.seen_at},
        ).returning(Incident)
    ).one()
    params: dict[str, Any] = {
        "subject": desk_id, "reason": IncidentReason.FALSE_ALARMS.value, "since": incident.starts_at.isoformat(),
        "desks": [desk_id], "count": 1, "people": people, "proofs": proofs,
    }  # fmt: skip
    if incident.told_at is not None:
        incident.alarm_params = params
    else:
        ask_deliver_later(session, notifier.raise_alarm(session, incident, _KIND, params, now))
