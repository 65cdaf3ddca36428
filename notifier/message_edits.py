"""Edits of delivered messages: which messages name some slots, what each of them says now, and how edits are written.

An edit is a notification of its own. A message says "gone" after `slot_gone` and "open again" after `slot_reopened`, by
turns. Their number is bounded, and the last one always is `slot_gone`.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.models.base import write_array
from api.models.notification import Priority
from api.models.user import Channel
from notifier.notification_writer import write_to_contacts

GONE, REOPENED = "slot_gone", "slot_reopened"  # the kinds
EDITABLE_FOR = timedelta(hours=48)  # a message that is older stays as it is
MOST_EDITS = 5  # of each of the two kinds, for one message

# The matches that named some slots of some desks (`describe_slots`). A match that caught up names the newest detection
# of its moment, which may be older than the slot.
TOUCHED = """
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
  SELECT DISTINCT m.id, m.detection_id, m.alert_id, s.decided_at
  FROM named n
  JOIN matches m ON m.detection_id = n.id AND m.decided_at > :earliest
  JOIN match_slots s ON s.match_id = m.id AND s.decided_at > :earliest
  WHERE coalesce(s.slots, int8multirange(int8range(s.slot_id, s.slot_id, '[]'))) && n.slots
)
"""
# All alerts that left as one message have its id. `edits.shown` is the edit that the message shows. What expired was
# not sent, unless its fate is unknown; one that Telegram refused is not tried again.
_MESSAGES = f"""
{TOUCHED}
SELECT DISTINCT o.id, o.contact_id, o.provider_id, o.user_id, o.language, o.accepted_at,
  o.params ->> 'desk_id' AS desk_id, edits.gone, edits.reopened
FROM touched t
JOIN notification_matches l ON l.match_id = t.id
JOIN notifications n ON n.id = l.notification_id AND n.matched_at = t.decided_at
JOIN notifications o ON o.provider = n.provider AND o.provider_id = n.provider_id AND o.contact_id = n.contact_id
  AND o.kind = n.kind
CROSS JOIN LATERAL (
  SELECT count(*) FILTER (WHERE e.kind = '{GONE}') AS gone, count(*) FILTER (WHERE e.kind = '{REOPENED}') AS reopened,
    coalesce(bool_or(e.state IN ('pending', 'sending')), false) AS waits,
    (array_agg(e.kind ORDER BY e.created_at DESC, e.id DESC)
      FILTER (WHERE e.state NOT IN ('expired', 'skipped') OR e.unknown_attempts > 0
        OR e.reason LIKE 'telegram: %'))[1] AS shown
  FROM notifications e
  WHERE e.dedupe_key = ANY(ARRAY(
    SELECT concat(kind, ':', n.contact_id, ':', n.provider_id, ':', number)
    FROM unnest(ARRAY['{GONE}', '{REOPENED}']) AS kind, generate_series(0, {MOST_EDITS - 1}) AS number
  ))
) edits
WHERE n.kind = 'slot_detected' AND n.channel = 'telegram' AND n.state = 'delivered' AND n.accepted_at > :earliest
  AND n.provider_id ~ '^[0-9]+$' AND edits.gone < {MOST_EDITS}
"""  # noqa: S608 -- put together from constants


def select_messages(condition: str) -> sa.TextClause:
    """Return the statement for messages in Telegram that name the slots, and whose `edits` meet a condition."""
    return sa.text(f"{_MESSAGES} AND {condition}")


def describe_slots(rows: Sequence[Any], earliest: datetime) -> dict[str, Any]:
    """Return the parameters of TOUCHED: rows of desk, its slots as ranges, and when the first of these opened."""
    return {
        "earliest": earliest,
        "desk_ids": write_array(row.desk_id for row in rows),
        "since": write_array(row.since for row in rows),
        "slots": write_array(row.slots for row in rows),
    }


def write_edits(session: Session, kind: str, messages: Iterable[Sequence[Any]], now: datetime) -> list[UUID]:
    """Write an edit of each message, which is given by its rows; return the notifications to nudge."""
    edits = [
        {
            "user_id": rows[0].user_id,
            "contact_id": rows[0].contact_id,
            "language": rows[0].language,
            "params": {
                "message": rows[0].provider_id,
                "alerts": sorted(str(row.id) for row in rows),
                "sent": rows[0].accepted_at.isoformat(),
                "at": now.isoformat(),
            },
            "dedupe_key": f"{kind}:{rows[0].contact_id}:{rows[0].provider_id}:{_count_edits(kind, rows[0])}",
        }
        for rows in messages
    ]
    return write_to_contacts(session, kind, Channel.TELEGRAM, Priority.BULK, edits) if edits else []


def _count_edits(kind: str, row: Any) -> int:
    return int(row.gone if kind == GONE else row.reopened)


def group_by_message(rows: Iterable[Any]) -> list[list[Any]]:
    """Group the rows of alerts that left as one message."""
    messages: dict[tuple[UUID, str], list[Any]] = defaultdict(list)
    for row in rows:
        messages[row.contact_id, row.provider_id].append(row)
    return list(messages.values())
