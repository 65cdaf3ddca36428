"""Notices that a desk can be watched now, to whom an alert for it was saved."""

from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

import notifier
from api.models.alert import Alert
from api.models.watchability import find_watchable_desks
from crawler.incidents.recipients import AT_ONCE, MEANT, list_targets

_KEPT = sa.text(f"""
SELECT a.id, array_agg(DISTINCT w.desk)
FROM {MEANT}
JOIN alerts a ON a.id = t.alert_id AND a.awaits_watch AND a.closed_at IS NULL
GROUP BY a.id ORDER BY a.id LIMIT :most
""")  # noqa: S608 -- our own words


def write_watchable_notices(rows: Session) -> list[UUID]:
    """Write a notice for each saved alert one of whose desks can be watched now; return their ids.

    The alert stays paused: whether the plan allows it is checked when its user enables it.
    """
    anybody = sa.exists().where(Alert.awaits_watch, Alert.closed_at.is_(None))
    if not rows.scalar(sa.select(anybody)):  # an index answers, so that most runs read no desk
        return []
    written: list[UUID] = []
    targets = list_targets(find_watchable_desks(rows))
    for alert_id, mine in rows.execute(_KEPT, {"targets": targets, "most": AT_ONCE}).all():
        alert = rows.get_one(Alert, alert_id)
        alert.awaits_watch = False
        params = {"alert": str(alert.id), "desks": sorted(mine)}
        key = f"desk_watchable:{alert.id}:{alert.limits_version}"  # it may wait for something else later
        written += notifier.create_notifications(
            rows, alert.user_id, "desk_watchable", params, key, priority="scheduled"
        )
    return written
