"""Who is reminded that slots are published soon which stand behind a captcha: nobody but a person sees them."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

import notifier
from configs.desk import Desk, WatchLevel
from configs.prefecture import desks
from configs.releases import Window
from configs.settings import settings

_AT_ONCE = 200  # people in one look, which holds a lock; the rest is told by the next ones

# Whoever waits at the desk, or asked to hear when it can be watched, and was not reminded of this publication yet.
_WAITING = sa.text("""
SELECT DISTINCT a.user_id
FROM alert_targets t
JOIN alerts a ON a.id = t.alert_id AND a.closed_at IS NULL AND (a.enabled OR a.awaits_watch)
WHERE (t.desk_id = :desk OR (t.prefecture_id = :prefecture AND t.procedure = ANY(:procedures)))
  AND NOT EXISTS (SELECT FROM notifications n WHERE n.user_id = a.user_id AND n.kind = 'release_soon'
    AND n.params ->> 'desk' = :desk AND n.params ->> 'begins' = :begins)
  AND EXISTS (SELECT FROM contacts c WHERE c.user_id = a.user_id AND c.enabled AND c.verified_at IS NOT NULL
    AND c.state = 'ok' AND c.channel IN ('email', 'telegram'))
ORDER BY a.user_id LIMIT :most
""")


def tell(rows: Session, now: datetime) -> list[UUID]:
    """Remind people of publications that begin within RELEASE_NOTICE_SECONDS, once each; return what to deliver."""
    written: list[UUID] = []
    for desk, window in _soon(now):
        begins = window.begins.isoformat()
        params = {"desk": desk.id, "begins": begins, "ends": window.ends.isoformat()}
        for user_id in _waiting(rows, desk, begins):
            key = f"release_soon:{desk.id}:{begins}:{user_id}"
            written += notifier.tell(rows, user_id, "release_soon", params, key)
    return written


def _soon(now: datetime) -> Iterator[tuple[Desk, Window]]:
    notice = timedelta(seconds=settings().release_notice_seconds)
    for desk in desks().values():
        hidden = desk.releases and desk.schedulable and desk.watch is WatchLevel.PRESENCE
        if hidden and (found := desk.release(now)) and now <= found.begins <= now + notice:
            yield desk, found


def _waiting(rows: Session, desk: Desk, begins: str) -> list[UUID]:
    wanted = {
        "desk": desk.id,
        "prefecture": desk.prefecture_id,
        "procedures": sorted(desk.procedures),
        "begins": begins,
        "most": _AT_ONCE,
    }
    return list(rows.scalars(_WAITING, wanted))
