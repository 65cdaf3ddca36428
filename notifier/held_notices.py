"""Notices of the hourly cap: once an hour a message says that alerts wait (kind `more_messages`)."""

from collections.abc import Collection
from datetime import datetime, timedelta
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.models.base import new_id

_KIND = "more_messages"
_AFTER = timedelta(
    seconds=30
)  # so that it counts a whole burst; where the next turn comes sooner, it is of no use

# One for each user and hour of the clock, to the contact of the message that was held back first.
_WRITE = sa.text("""
INSERT INTO notifications
  (id, user_id, contact_id, channel, kind, language, priority, dedupe_key, created_at, next_attempt_at, next_nudge_at)
SELECT DISTINCT ON (n.user_id) h.new_id, n.user_id, n.contact_id, n.channel, :kind, n.language,
  'immediate', :kind || ':' || n.user_id || ':' || :hour, :now, :at, :at
FROM unnest(CAST(:ids AS uuid[]), CAST(:new_ids AS uuid[])) AS h(id, new_id) JOIN notifications n ON n.id = h.id
WHERE n.user_id IS NOT NULL AND n.state = 'pending' AND n.held_for = 'hourly_cap'
ORDER BY n.user_id, n.id
ON CONFLICT (dedupe_key) DO NOTHING
""")


def write_notices(session: Session, held: Collection[UUID], now: datetime) -> None:
    """Write a notice to the users whose notifications were just held back; the sweep has it sent."""
    if held:
        new_ids = [str(new_id()) for _ in held]
        given = {"ids": [str(each) for each in held], "new_ids": new_ids, "now": now, "at": now + _AFTER}
        session.execute(_WRITE, given | {"kind": _KIND, "hour": f"{now:%Y%m%dT%H}"})
