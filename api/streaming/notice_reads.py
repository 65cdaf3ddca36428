"""Reads of notices for live streams. The table is the truth; ids are UUIDv7 and grow with time.

A transaction may commit after a later one, so that a smaller id becomes visible after a larger one. So a read goes back
by OVERLAP, and its reader leaves out the ids that it had.
"""

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from uuid_utils.compat import uuid7

from api.streaming.database import Reader

OVERLAP = timedelta(minutes=2)  # longer than a transaction that writes notices may take
MOST = 500  # notices of one read
_MILLISECONDS = 80  # bits of a UUIDv7 behind them
# As the API shows a notice (api/notices/schemas.py), made where the rows are.
_COLUMNS = """user_id, id, json_build_object('id', id, 'type', kind, 'language', language, 'title', title,
  'body', body, 'link', link, 'detectionId', detection_id, 'createdAt', {created_at}, 'readAt', {read_at},
  'goneAt', {gone_at})::text"""
_ISO = """to_char({0} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')"""
_SELECT = "SELECT " + _COLUMNS.format(
    **{name: _ISO.format(name) for name in ("created_at", "read_at", "gone_at")}
)
_FRESH = f"{_SELECT} FROM notices WHERE id > %(begin)s AND user_id = ANY(%(users)s::uuid[]) ORDER BY id"
_AFTER = f"{_SELECT} FROM notices WHERE user_id = %(user)s AND id > %(begin)s ORDER BY id LIMIT %(most)s"


@dataclass(frozen=True, slots=True)
class StreamedNotice:
    """A notice as it is sent."""

    id: UUID
    json: str  # of one line


Found = dict[UUID, list[StreamedNotice]]


def mark_now() -> UUID:
    """Return the smallest id that a notice of this millisecond can have."""
    return UUID(int=_read_milliseconds() << _MILLISECONDS)


def _read_milliseconds() -> int:
    """Return the time by the clock that makes ids: the machine's, also where a test moves that of the programs."""
    return uuid7().int >> _MILLISECONDS


def find_begin(last: UUID) -> UUID:
    """Return the id after which a reader may have missed something that has `last`.

    An id of a clock that was ahead counts as one of now.
    """
    at = min(last, mark_now()).int >> _MILLISECONDS
    return UUID(int=max(0, at - round(OVERLAP.total_seconds() * 1000)) << _MILLISECONDS)


def read_fresh(reader: Reader, user_ids: Collection[UUID], begin: UUID) -> Found:
    """Return the notices of these users behind an id, the oldest first."""
    found: Found = defaultdict(list)
    values = {"begin": begin, "users": [str(each) for each in user_ids]}
    for user_id, notice_id, text in reader.fetch(_FRESH, values):
        found[user_id].append(StreamedNotice(notice_id, text))
    return found


def read_after(reader: Reader, user_id: UUID, begin: UUID) -> list[StreamedNotice]:
    """Return the notices of a user behind an id, the oldest first; MOST of them at most."""
    values: dict[str, Any] = {"user": user_id, "begin": begin, "most": MOST}
    return [StreamedNotice(notice_id, text) for _, notice_id, text in reader.fetch(_AFTER, values)]
