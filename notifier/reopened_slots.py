"""Marks of messages that say "gone" while their slots are open again: edited back, and their notices unmarked.

A slot that returns within RETELL_SECONDS of its alert makes no new message ("told recently"), so that the old one has
to say that it is open. One that returns later is told again by a message of its own, and the old one stays as it is.
"""

from datetime import datetime, timedelta
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from notifier.matching import RETELL_SECONDS
from notifier.message_edits import (
    GONE,
    REOPENED,
    TOUCHED,
    describe_slots,
    group_by_message,
    select_messages,
    write_edits,
)

# What went lately and is open again, by the same moment of the same place.
_RETURNED = sa.text("""
SELECT g.desk_id, min(g.opened_at) AS since, CAST(range_agg(int8range(g.id, g.id, '[]')) AS text) AS slots
FROM desks d
JOIN slots g ON g.desk_id = d.id AND g.gone_at > :earliest
JOIN slots o ON o.desk_id = g.desk_id AND o.place_key = g.place_key AND o.moment = g.moment AND o.gone_at IS NULL
WHERE d.last_proven_at > :earliest
GROUP BY g.desk_id
""")

# While an edit waits it is not known what the message will say: the next round looks again.
_MESSAGES = select_messages(f"edits.shown = '{GONE}' AND NOT edits.waits")

_UNMARK_NOTICES = sa.text(f"""
{TOUCHED},
reopened AS (SELECT DISTINCT t.detection_id, a.user_id FROM touched t JOIN alerts a ON a.id = t.alert_id)
UPDATE notices x SET gone_at = NULL FROM reopened r
WHERE x.user_id = r.user_id AND x.detection_id = r.detection_id AND x.gone_at IS NOT NULL
""")  # noqa: S608 -- put together from constants


def mark_reopened_slots(session: Session, now: datetime) -> list[UUID]:
    """Unmark notices and write the edits of messages whose slots are open again; return the notifications to nudge."""
    earliest = now - timedelta(seconds=RETELL_SECONDS)
    returned = session.execute(_RETURNED, {"earliest": earliest}).all()
    if not returned:
        return []
    given = describe_slots(returned, earliest)
    session.execute(_UNMARK_NOTICES, given)
    told = session.execute(_MESSAGES, given).all()
    return write_edits(session, REOPENED, group_by_message(told), now)
