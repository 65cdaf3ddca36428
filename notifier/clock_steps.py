"""Repairs what a clock that was set ahead has written for the notifier, once it is right again.

Whatever waits is due at once: a wait that was rightly long is only asked for again.
"""

from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from configs.settings import settings

CLOCKS_DIFFER = timedelta(seconds=5)  # between machines that keep their time

_AHEAD = sa.text("""
SELECT EXISTS (SELECT FROM notifications WHERE state IN ('pending', 'sending') AND created_at > :limit)
  OR EXISTS (SELECT FROM detections WHERE matched_at IS NULL AND committed_at > :limit)
""")
_NOTIFICATIONS = sa.text("""
UPDATE notifications SET next_attempt_at = least(next_attempt_at, :now), lease_until = least(lease_until, :leased),
  next_nudge_at = CASE state WHEN 'sending' THEN least(next_nudge_at, :leased) ELSE :now END
WHERE state IN ('pending', 'sending') AND next_nudge_at > :now
""")
_DETECTIONS = sa.text("""
UPDATE detections SET next_nudge_at = :now
WHERE matched_at IS NULL AND greatest(next_nudge_at, committed_at) > :now
""")


def has_times_ahead(rows: Session, now: datetime) -> bool:
    """Whether something that waits was written in the future."""
    return bool(rows.scalar(_AHEAD, {"limit": now + CLOCKS_DIFFER}))


def pull_back_times(rows: Session, now: datetime) -> None:
    """Let detections and notifications that wait for a later instant be due now; a lease keeps its usual length."""
    rows.execute(_NOTIFICATIONS, {"now": now, "leased": now + timedelta(seconds=settings().lease_seconds)})
    rows.execute(_DETECTIONS, {"now": now})
