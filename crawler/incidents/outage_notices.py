"""Outage notices: subscribers whose desk cannot be watched now, and later that it is watched again."""

from collections import defaultdict
from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

import notifier
from api.models.incident import Incident
from configs.world.desk import Desk
from configs.world.prefecture import desks
from crawler.incidents.recipients_sql import AT_ONCE, ENTITLED, REACHABLE
from crawler.scheduling.demand import targets_of

_WAIT = timedelta(days=30)  # after an incident, for the last of its desks to be watched again

# Entitled users who wait for one of the desks and can be reached, without an outage notice (`:told` false), or with
# one and no recovery notice (`:told` true). An index on users leads to the few notifications of each.
_WAITING = sa.text(f"""
SELECT DISTINCT a.user_id, t.desk_id, t.prefecture_id, t.procedure
FROM alert_targets t
JOIN alerts a ON a.id = t.alert_id AND a.enabled AND a.closed_at IS NULL
WHERE (t.desk_id = ANY(:desks)
    OR (t.prefecture_id = ANY(:prefectures) AND t.prefecture_id || ' ' || t.procedure = ANY(:served)))
  AND {ENTITLED}
  AND {REACHABLE}
  AND :told = EXISTS (SELECT FROM notifications n WHERE n.user_id = a.user_id AND n.kind = 'desk_unwatched'
    AND n.params ->> 'incident' = :incident)
  AND NOT EXISTS (SELECT FROM notifications n WHERE n.user_id = a.user_id AND n.kind = 'desk_watched'
    AND n.params ->> 'incident' = :incident)
ORDER BY a.user_id LIMIT :most
""")  # noqa: S608 -- our own words
_TOLD_OF = sa.text("""
SELECT DISTINCT n.user_id, d.desk_id
FROM notifications n, jsonb_array_elements_text(n.params -> 'desks') AS d(desk_id)
WHERE n.user_id = ANY(:people) AND n.kind = 'desk_unwatched' AND n.params ->> 'incident' = :incident
""")
_STILL = sa.text("""
SELECT desk_id FROM outages WHERE desk_id = ANY(:desks) AND ends_at IS NULL
UNION SELECT desk_id FROM drifts WHERE desk_id = ANY(:desks) AND ends_at IS NULL
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
        written += _write(rows, "desk_watched", incident, _find_recovered(rows, incident, waiting))
        if not waiting or incident.ends_at is None or now - incident.ends_at > _WAIT:
            incident.over_at = now
    return written


def _find_recipients(
    rows: Session, incident: Incident, affected: Collection[Desk], now: datetime, *, told: bool
) -> dict[UUID, list[str]]:
    """Return recipients, each with the desks that they wait for."""
    found = rows.execute(
        _WAITING,
        {
            "desks": [desk.id for desk in affected],
            "prefectures": sorted({desk.prefecture_id for desk in affected}),
            "served": sorted(
                {f"{desk.prefecture_id} {each.value}" for desk in affected for each in desk.procedures}
            ),
            "now": now,
            "told": told,
            "incident": str(incident.id),
            "most": AT_ONCE,
        },
    )
    people: dict[UUID, set[str]] = defaultdict(set)
    for user_id, *target in found:
        people[user_id] |= {desk.id for desk in affected if tuple(target) in targets_of(desk)}
    return {user_id: sorted(mine) for user_id, mine in people.items()}


def _find_recovered(
    rows: Session, incident: Incident, waiting: dict[UUID, list[str]]
) -> dict[UUID, list[str]]:
    """Return recipients with the desks of their outage notice, where all of these are watched again."""
    told: dict[UUID, set[str]] = defaultdict(set)
    for user_id, desk_id in rows.execute(_TOLD_OF, {"people": list(waiting), "incident": str(incident.id)}):
        told[user_id].add(desk_id)
    still = _desks_still_out(rows, {desk for mine in told.values() for desk in mine})
    return {user_id: sorted(mine) for user_id, mine in told.items() if mine.isdisjoint(still)}


def _desks_still_out(rows: Session, desk_ids: Iterable[str]) -> set[str]:
    return set(rows.scalars(_STILL, {"desks": sorted(desk_ids)}))


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
