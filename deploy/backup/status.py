"""State of the backups in the table `backup_states`, for health, and its requests for backups.

Health needs no key to the store for it. Texts are public: they name no address.
"""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID, uuid4

from psycopg2.extensions import connection

from deploy.backup.database import ask, format_lsn, parse_lsn
from deploy.backup.manifest import Kind, Manifest

_DONE = """
INSERT INTO backup_states (part, name, started_at, finished_at, bytes) VALUES (%s, %s, %s, %s, %s)
ON CONFLICT (part) DO UPDATE SET name = excluded.name, started_at = excluded.started_at,
  finished_at = excluded.finished_at, bytes = excluded.bytes, previous_bytes = backup_states.bytes,
  trouble = NULL, trouble_since = NULL
"""
_TROUBLE = """
INSERT INTO backup_states AS b (part, trouble, trouble_since) VALUES (%s, %s, clock_timestamp())
ON CONFLICT (part) DO UPDATE SET trouble = excluded.trouble,
  trouble_since = coalesce(b.trouble_since, excluded.trouble_since)
"""
_STORED = """
INSERT INTO backup_states (part, name, finished_at) VALUES ('wal', %s, %s)
ON CONFLICT (part) DO UPDATE SET name = excluded.name, finished_at = excluded.finished_at,
  trouble = NULL, trouble_since = NULL
"""
_REQUEST = """
INSERT INTO backup_states (part, request) VALUES (%s, %s) ON CONFLICT (part) DO UPDATE SET request = excluded.request
"""
_MADE = "SELECT part, name FROM backup_states WHERE part = ANY(%s) AND name IS NOT NULL"
_OPEN_REQUEST = """
SELECT request FROM backup_states WHERE part = %s AND request IS NOT NULL AND request IS DISTINCT FROM answer
"""


def record_backup(sql: connection, manifest: Manifest) -> None:
    """Note a complete backup."""
    begun, ended = manifest.started_at, manifest.finished_at
    ask(sql, _DONE, manifest.kind, manifest.name, begun, ended, manifest.bytes)


def record_check(sql: connection, finished_at: datetime, troubles: list[str]) -> None:
    """Note what a look at the store found."""
    ask(sql, _DONE, "store", None, None, finished_at, None)
    if troubles:
        record_trouble(sql, "store", "; ".join(troubles)[:1000])


def record_trouble(sql: connection, part: str, text: str) -> None:
    """Note that a part fails; since when it does is kept."""
    ask(sql, _TROUBLE, part, text)


def record_stored_log(sql: connection, lsn: int, until: datetime) -> None:
    """Note up to where, and up to when, the write-ahead log is stored."""
    ask(sql, _STORED, format_lsn(lsn), until)


def read_made(sql: connection, kinds: Sequence[Kind]) -> dict[Kind, str]:
    """Return the name of the newest backup of each kind that was noted."""
    return {Kind(part): name for part, name in ask(sql, _MADE, list(map(str, kinds)))}


def read_stored_lsn(sql: connection) -> int:
    """Return up to where the log was noted as stored; 0 before that."""
    found = ask(sql, "SELECT name FROM backup_states WHERE part = 'wal' AND name IS NOT NULL")
    return parse_lsn(found[0][0]) if found else 0


def request_backup(sql: connection, part: str) -> None:
    """Ask for a backup that begins after now."""
    ask(sql, _REQUEST, part, str(uuid4()))


def read_request(sql: connection, part: str) -> UUID | None:
    """Return the request of a part that has no answer yet."""
    found = ask(sql, _OPEN_REQUEST, part)
    return UUID(found[0][0]) if found else None


def answer_request(sql: connection, part: str, request: UUID) -> None:
    """Note that the backup which a request asked for is complete."""
    ask(sql, "UPDATE backup_states SET answer = %s WHERE part = %s", str(request), part)
