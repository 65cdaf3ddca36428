"""Notices that a desk can be watched now, or that people report what they see, to whom an alert for it was saved."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

import notifier
from api.models.alert import Alert
from api.models.watchability import Standing, read_standings
from configs.world.desk import WatchLevel
from configs.world.prefecture import desks
from crawler.incidents.recipients import AT_ONCE, ENTITLED, MEANT, list_targets

_KEPT = f"""
SELECT a.id, array_agg(DISTINCT w.desk)
FROM {MEANT}
JOIN alerts a ON a.id = t.alert_id AND a.awaits_watch AND a.closed_at IS NULL
"""  # noqa: S608 -- our own words
_MOST = " GROUP BY a.id ORDER BY a.id LIMIT :most"
_WATCHABLE, _REPORTED = sa.text(_KEPT + _MOST), sa.text(_KEPT + "AND a.people_asked_at IS NULL" + _MOST)
# Free alerts of desks that checks see now: a plan carries them on; without one they wait, and a notice is written
_NO_LONGER_FREE = sa.text(f"""
UPDATE alerts a SET is_free = false, enabled = {ENTITLED}, awaits_watch = NOT {ENTITLED}, watched_since = :now,
  updated_at = :now
WHERE a.is_free AND a.closed_at IS NULL AND a.id IN (SELECT t.alert_id FROM {MEANT})
""")  # noqa: S608 -- our own words


def write_watchable_notices(rows: Session, now: datetime) -> list[UUID]:
    """Write a notice for each saved alert one of whose desks can be watched or is reported now; return their ids.

    The alert stays paused: whether the plan allows it is checked when its user enables it, and nobody is enrolled.
    """
    anybody = [
        sa.exists().where(each, Alert.closed_at.is_(None)) for each in (Alert.awaits_watch, Alert.is_free)
    ]
    if not rows.scalar(sa.select(sa.or_(*anybody))):  # indexes answer, so that most runs read no desk
        return []
    known = (desk for desk in desks().values() if desk.shows_slots or desk.watch is WatchLevel.PEOPLE)
    standings = list(read_standings(rows, known).values())
    watchable = _list_targets(each for each in standings if each.is_watchable)
    rows.execute(_NO_LONGER_FREE, watchable | {"now": now})
    written = []
    for alert_id, mine in rows.execute(_WATCHABLE, watchable).all():
        alert = rows.get_one(Alert, alert_id, populate_existing=True)
        alert.awaits_watch = False
        written += _write(rows, alert, "desk_watchable", mine)
    for alert_id, mine in rows.execute(
        _REPORTED, _list_targets(each for each in standings if each.is_reported)
    ):
        alert = rows.get_one(Alert, alert_id)
        alert.people_asked_at = now
        written += _write(rows, alert, "desk_reported", mine)
    return written


def _list_targets(standings: Iterable[Standing]) -> dict[str, Any]:
    return {"targets": list_targets(each.desk for each in standings), "most": AT_ONCE}


def _write(rows: Session, alert: Alert, kind: str, mine: Iterable[str]) -> list[UUID]:
    params = {"alert": str(alert.id), "desks": sorted(mine)}
    key = f"{kind}:{alert.id}:{alert.limits_version}"  # it may wait for something else later
    return notifier.create_notifications(rows, alert.user_id, kind, params, key, priority="scheduled")
