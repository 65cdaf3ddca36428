"""Edits of delivered messages: those in Telegram all of whose slots are gone, and the notices that say the same.

A slot is gone once a conclusive check of its place that began RETURN_SECONDS after it went did not show it either; what
one person saw is, once two others saw none. What was told in doubt is edited, too, once it is corroborated.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.models.base import database_clock, is_any_of, write_array
from api.models.notification import Notice
from api.models.slot import Detection, return_seconds
from api.models.user import Channel
from notifier.content.messages import render_notice
from notifier.content.slot_alert_content import ContentCache, SlotOpening, read_slots
from notifier.delivery.message_writer import write_to_contacts
from notifier.matching.tellings import opening_of
from notifier.message_kinds.telegram import EDIT, EDITABLE_FOR, GONE, name_edit

_MOST = 10_000  # slots of one round

# By desk: what is gone from now on, with what the page may have meant by the same words (a place that is open, and its
# hours), and when the first of these opened. Both instants are of the crawler's clock. Where checks cover places one by
# one, `coverage` says when each was asked (crawler/recording/desk_state_update.py); '*' is of all together.
_CLOSE = sa.text("""
WITH closed AS (
  UPDATE slots SET gone_told_at = :now WHERE id = ANY(ARRAY(
    SELECT g.id FROM slots g
    WHERE g.gone_reason IN ('taken', 'past') AND g.gone_told_at IS NULL
      AND (g.gone_at <= :earliest OR g.source = 'report' OR EXISTS (
      SELECT FROM desks d, LATERAL (SELECT g.gone_at + make_interval(secs => :returns)) AS late (since)
      WHERE d.id = g.desk_id AND d.last_proven_at >= late.since AND ((d.coverage -> g.place_key) IS NULL OR EXISTS (
        SELECT FROM jsonb_array_elements((d.coverage -> g.place_key) || coalesce(d.coverage -> '*', '[]')) AS w (days)
        WHERE CAST(w.days ->> 2 AS timestamptz) >= late.since))))
    ORDER BY g.gone_at LIMIT :most FOR NO KEY UPDATE SKIP LOCKED
  ))
  RETURNING id, desk_id, place_key, moment, opened_at, gone_at
),
touched AS (
  SELECT id, desk_id, opened_at FROM closed WHERE gone_at > :earliest
  UNION
  SELECT s.id, s.desk_id, s.opened_at
  FROM closed c JOIN slots s ON s.desk_id = c.desk_id AND s.place_key = c.place_key
    AND 'open' IN (c.moment, s.moment)
  WHERE s.gone_at > :earliest
)
SELECT desk_id, min(opened_at) AS since, CAST(range_agg(int8range(id, id, '[]')) AS text) AS slots
FROM touched GROUP BY desk_id
""")

# The matches that named some slots of some desks. A match that caught up names the newest detection of its moment,
# which may be older than the slot.
_TOUCHED = """
WITH given AS (
  SELECT * FROM unnest(CAST(:desk_ids AS text[]), CAST(:since AS timestamptz[]), CAST(:slots AS int8multirange[]))
    AS c(desk_id, since, slots)
),
named AS (
  SELECT n.id, c.slots
  FROM given c
  CROSS JOIN LATERAL (SELECT max(b.seen_at) AS seen_at FROM detections b
    WHERE b.desk_id = c.desk_id AND b.seen_at <= greatest(c.since, :earliest)) before
  JOIN detections n ON n.desk_id = c.desk_id AND n.seen_at >= coalesce(before.seen_at, :earliest)
),
touched AS (
  SELECT DISTINCT m.announcement_id
  FROM named n JOIN matches m ON m.detection_id = n.id AND m.decided_at > :earliest AND m.slots && n.slots
)
"""
# All alerts that left as one message have its id.
_MESSAGES = sa.text(f"""
{_TOUCHED}
SELECT DISTINCT o.id, o.contact_id, o.provider_id, o.user_id, o.language, o.accepted_at,
  o.params ->> 'desk_id' AS desk_id
FROM touched t
JOIN notifications n ON n.announcement_id = t.announcement_id
JOIN notifications o ON o.provider = n.provider AND o.provider_id = n.provider_id AND o.contact_id = n.contact_id
  AND o.kind = n.kind
WHERE n.kind = 'slot_detected' AND n.channel = 'telegram' AND n.state = 'delivered' AND n.accepted_at > :earliest
  AND n.provider_id ~ '^[0-9]+$'
""")  # noqa: S608 -- put together from constants

# What of these desks is not gone: nor is a place that is open at an unknown hour while one of its hours is, nor an hour
# while its place is.
_STILL_OPEN = sa.text("""
SELECT coalesce(CAST(range_agg(int8range(s.id, s.id, '[]')) AS text), '{}')
FROM slots s
WHERE s.desk_id = ANY(CAST(:desk_ids AS text[])) AND (s.gone_at IS NULL OR s.gone_at > :earliest)
  AND (s.gone_told_at IS NULL AND s.gone_reason IS DISTINCT FROM 'superseded' OR EXISTS (
    SELECT FROM slots o WHERE o.desk_id = s.desk_id AND o.place_key = s.place_key AND 'open' IN (o.moment, s.moment)
    AND o.id <> s.id AND o.gone_told_at IS NULL AND o.gone_reason IS DISTINCT FROM 'superseded'
    AND (o.gone_at IS NULL OR o.gone_at > s.gone_at)))
""")

_WITH_OPEN_SLOT = sa.text("""
SELECT DISTINCT n.id
FROM notifications n
JOIN matches m ON m.announcement_id = n.announcement_id
WHERE n.id = ANY(CAST(:ids AS uuid[])) AND m.slots && CAST(:open AS int8multirange)
""")

# Of the users all of whose alerts on a detection have no slot left.
_MARK_NOTICES = sa.text(f"""
{_TOUCHED},
gone AS (
  SELECT n.id AS detection_id, a.user_id
  FROM named n
  JOIN matches m ON m.detection_id = n.id
  JOIN alerts a ON a.id = m.alert_id
  GROUP BY n.id, a.user_id
  HAVING bool_or(m.slots && n.slots) AND NOT bool_or(m.slots && CAST(:open AS int8multirange))
)
UPDATE notices x SET gone_at = :now FROM gone g
WHERE x.user_id = g.user_id AND x.detection_id = g.detection_id AND x.gone_at IS NULL
""")  # noqa: S608 -- put together from constants

# What was told of an opening before: it is in doubt no more, or days that were ticked took the place of "open".
_TELLINGS = "WITH tellings AS (SELECT id FROM detections WHERE opening_id = :opening AND id <> :detection)"
_TOLD_NOTICES = sa.text(f"""
{_TELLINGS}
SELECT x.id, x.language, m.detection_id, CAST(range_agg(m.slots) AS text) AS slots
FROM tellings d JOIN matches m ON m.detection_id = d.id JOIN alerts a ON a.id = m.alert_id
JOIN notices x ON x.detection_id = d.id AND x.user_id = a.user_id
GROUP BY x.id, x.language, m.detection_id
""")  # noqa: S608 -- put together from constants
_TOLD_MESSAGES = sa.text(f"""
{_TELLINGS}
SELECT DISTINCT n.id, n.user_id, n.contact_id, n.language, n.provider_id, n.accepted_at
FROM tellings d JOIN matches m ON m.detection_id = d.id JOIN notifications n ON n.announcement_id = m.announcement_id
WHERE n.kind = 'slot_detected' AND n.channel = 'telegram' AND n.state = 'delivered' AND n.provider_id ~ '^[0-9]+$'
""")  # noqa: S608 -- put together from constants


def mark_gone_slots(session: Session) -> list[UUID]:
    """Mark notices and write the edits of messages, all of whose slots are gone; return the notifications to nudge."""
    now = database_clock(session)
    earliest = now - EDITABLE_FOR
    closing = {"now": now, "returns": return_seconds(), "earliest": earliest, "most": _MOST}
    closed = session.execute(_CLOSE, closing).all()
    if not closed:
        return []
    given = {
        "earliest": earliest,
        "desk_ids": write_array(row.desk_id for row in closed),
        "since": write_array(row.since for row in closed),
        "slots": write_array(row.slots for row in closed),
    }
    told = session.execute(_MESSAGES, given).all()
    desk_ids = {row.desk_id for row in (*closed, *told) if row.desk_id}
    still = session.scalar(_STILL_OPEN, {"desk_ids": write_array(desk_ids), "earliest": earliest})
    session.execute(_MARK_NOTICES, given | {"open": still, "now": now})
    ids = write_array(row.id for row in told)
    still_open = set(session.scalars(_WITH_OPEN_SLOT, {"ids": ids, "open": still}))
    return _write_edits(session, GONE, GONE, told, still_open, at=now.isoformat())


def edit_tellings(session: Session, detection: Detection) -> list[UUID]:
    """Say in what was told of an opening what a later detection adds: others, or days; return the edits to deliver."""
    given = {"opening": opening_of(detection), "detection": detection.id}
    _edit_notices(session, detection, session.execute(_TOLD_NOTICES, given).all())
    told = session.execute(_TOLD_MESSAGES, given).all()
    return _write_edits(session, EDIT, f"telling {detection.id}", told)


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


def _write_edits(
    session: Session, kind: str, about: str, told: Iterable[Any], kept: Collection[UUID] = (), **params: str
) -> list[UUID]:
    """Write the edit of each message of these alerts, but those in which one is to be kept; return what to deliver."""
    messages: dict[tuple[UUID, str], list[Any]] = defaultdict(list)
    for row in told:
        messages[row.contact_id, row.provider_id].append(row)
    edits = []
    for (contact_id, message), rows in messages.items():
        if any(row.id in kept for row in rows):
            continue
        alerts = sorted(str(row.id) for row in rows)
        sent = {"message": message, "alerts": alerts, "sent": rows[0].accepted_at.isoformat()}
        to = {"user_id": rows[0].user_id, "contact_id": contact_id, "language": rows[0].language}
        key = name_edit(contact_id, message, about)
        edits.append(to | {"params": sent | params, "dedupe_key": key})
    return write_to_contacts(session, kind, Channel.TELEGRAM, edits)
