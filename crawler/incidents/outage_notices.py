"""Outage notices to subscribers: desks cannot be watched now, and are watched again."""

from collections.abc import Collection
from datetime import datetime, timedelta
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

import notifier
from api.models.incident import Incident
from configs.world.desk import Desk
from configs.world.prefecture import desks
from crawler.incidents.recipients import AT_ONCE, ENTITLED, MEANT, REACHABLE, list_targets

_WAIT = timedelta(days=30)  # after an incident, for the last of its desks to be watched again
# Entitled users who wait for one of the desks and can be reached, without an outage notice (`:told` false), or with
# one and no recovery notice (`:told` true). An index on users leads to the few notifications of each.
_WAITING = sa.text(f"""
SELECT a.user_id, array_agg(DISTINCT w.desk)
FROM {MEANT}
JOIN alerts a ON a.id = t.alert_id AND a.enabled AND a.closed_at IS NULL
WHERE {ENTITLED}
  AND {REACHABLE}
  AND :told = EXISTS (SELECT FROM notifications n WHERE n.user_id = a.user_id AND n.kind = 'desk_unwatched'
    AND n.params ->> 'incident' = :incident)
  AND NOT EXISTS (SELECT FROM notifications n WHERE n.user_id = a.user_id AND n.kind = 'desk_watched'
    AND n.params ->> 'incident' = :incident)
GROUP BY a.user_id ORDER BY a.user_id LIMIT :most
""")  # noqa: S608 -- our own words
# Of those people the ones for whom no desk of their outage notice is out of watch any more, with these desks.
_RECOVERED = sa.text("""
SELECT n.user_id, array_agg(DISTINCT d.desk_id)
FROM notifications n, jsonb_array_elements_text(n.params -> 'desks') AS d(desk_id)
WHERE n.user_id = ANY(:people) AND n.kind = 'desk_unwatched' AND n.params ->> 'incident' = :incident
GROUP BY n.user_id
HAVING NOT bool_or(
  EXISTS (SELECT FROM outages o WHERE o.desk_id = d.desk_id AND o.ends_at IS NULL)
  OR EXISTS (SELECT FROM drifts f WHERE f.desk_id = d.desk_id AND f.ends_at IS NULL))
""")


def write_outage_notices(
    rows: Session, incident: Incident, affected: Collection[Desk], now: datetime
) -> list[UUID]:
    """Write the notice that these desks cannot be watched now: once for each recipient and incident."""
    waiting = _find_recipients(rows, incident, affected, now, told=False)
    return _write(rows, "desk_unwatched", incident, waiting)


def write_recovery_notices(rows: Session, now: datetime) -> list[UUID]:
    """Write the notice that desks are watched again, to recipients of an outage notice, once no outage is left."""
    ended = (
        sa.select(Incident)
        .where(Incident.ends_at.is_not(None), Incident.over_at.is_(None))
        .order_by(Incident.id)
    )
    written: list[UUID] = []
    for incident in rows.scalars(ended):
        affected = [desk for desk in desks().values() if incident.subject in (desk.id, desk.host)]
        waiting = _find_recipients(rows, incident, affected, now, told=True)
        found = rows.execute(_RECOVERED, {"people": list(waiting), "incident": str(incident.id)})
        recovered = {user_id: sorted(mine) for user_id, mine in found}
        written += _write(rows, "desk_watched", incident, recovered)
        if not waiting or incident.ends_at is None or now - incident.ends_at > _WAIT:
            incident.over_at = now
    return written


def _find_recipients(
    rows: Session, incident: Incident, affected: Collection[Desk], now: datetime, *, told: bool
) -> dict[UUID, list[str]]:
    """Return recipients, each with the desks that they wait for."""
    given = {"targets": list_targets(affected), "now": now, "told": told, "incident": str(incident.id)}
    found = rows.execute(_WAITING, given | {"most": AT_ONCE})
    return {user_id: sorted(mine) for user_id, mine in found}


def _write(rows: Session, kind: str, incident: Incident, people: dict[UUID, list[str]]) -> list[UUID]:
    written: list[UUID] = []
    for user_id, mine in people.items():
        params = {
            "incident": str(incident.id),
            "reason": incident.reason.value,
            "since": incident.starts_at.isoformat(),
            "desks": mine,
        }
        key = f"{kind}:{incident.id}:{user_id}"
        written += notifier.create_notifications(rows, user_id, kind, params, key, priority="scheduled")
    return written
