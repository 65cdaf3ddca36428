"""Edits of what was told in doubt, once it is corroborated: notices and messages in Telegram. Mail and push stay."""

from collections import defaultdict
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.models.base import is_any_of
from api.models.notice import Notice
from api.models.slot import Detection
from api.models.user import Channel
from notifier.content.messages import render_notice
from notifier.content.slot_alert_content import ContentCache, SlotOpening, read_slots
from notifier.delivery.message_writer import write_to_contacts
from notifier.matching.message_edits import describe_edit, group_by_message
from notifier.message_kinds.telegram import EDIT

# Told of slots in doubt that are in doubt no more: days that were ticked later took the place of "open".
_DOUBTS = """
WITH doubts AS (
  SELECT DISTINCT d.id FROM detections d
  JOIN detection_slots x ON x.detection_id = d.id JOIN slots s ON s.id = x.slot_id
  WHERE d.desk_id = :desk AND d.in_doubt AND NOT s.in_doubt AND s.source = 'report'
    AND d.seen_at BETWEEN :seen - interval '2 hours' AND :seen
)
"""
_NOTICES = sa.text(f"""
{_DOUBTS}
SELECT x.id, x.language, m.detection_id, CAST(range_agg(m.slots) AS text) AS slots
FROM doubts d JOIN matches m ON m.detection_id = d.id JOIN alerts a ON a.id = m.alert_id
JOIN notices x ON x.detection_id = d.id AND x.user_id = a.user_id
GROUP BY x.id, x.language, m.detection_id
""")  # noqa: S608 -- put together from constants
_MESSAGES = sa.text(f"""
{_DOUBTS}
SELECT DISTINCT n.id, n.user_id, n.contact_id, n.language, n.provider_id, n.accepted_at
FROM doubts d JOIN matches m ON m.detection_id = d.id JOIN notifications n ON n.announcement_id = m.announcement_id
WHERE n.kind = 'slot_detected' AND n.channel = 'telegram' AND n.state = 'delivered' AND n.provider_id ~ '^[0-9]+$'
""")  # noqa: S608 -- put together from constants


def edit_doubts(session: Session, detection: Detection) -> list[UUID]:
    """Say in what was told in doubt that others saw it, too; return the edits to deliver.

    `detection`: the one that corroborated it.
    """
    given = {"desk": detection.desk_id, "seen": detection.seen_at}
    _edit_notices(session, detection, session.execute(_NOTICES, given).all())
    edits = [
        describe_edit(rows, f"corroborated:{contact_id}:{message}")
        for (contact_id, message), rows in group_by_message(session.execute(_MESSAGES, given)).items()
    ]
    return write_to_contacts(session, EDIT, Channel.TELEGRAM, edits)


def _edit_notices(session: Session, detection: Detection, rows: Any) -> None:
    slots, contents = read_slots(session, {row.slots for row in rows}), ContentCache()
    alike: dict[tuple[UUID, str, str], list[UUID]] = defaultdict(list)
    for row in rows:
        alike[row.detection_id, row.slots, row.language].append(row.id)
    for (doubt_id, named, language), ids in alike.items():
        doubt = session.get_one(Detection, doubt_id)
        opening = SlotOpening(doubt, tuple(slots[named]), detection.seen_at)
        text = render_notice("slot_detected", language, {"openings": [contents.values_of(opening, language)]})
        edited = sa.update(Notice).where(is_any_of(Notice.id, ids))
        session.execute(edited.values(title=text.title, body=text.body))
