"""Health of backups: when each part was made last, its size, and the log that waits.

The backup service writes the rows of backups; the server itself says what log waits. No key to the store is needed.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from redis import Redis

from api.admin.health.findings import raise_troubles, read_session
from api.models.backup_state import BACKUP_LATE_SECONDS, BackupPart, BackupState
from configs.ground.clock import clock
from configs.ground.text import format_duration
from configs.settings import Constant, settings

# Health warns when more log than this waits on PostgreSQL's disk because the store does not take it
_backup_wal_warn_mb = Constant("BACKUP_WAL_WARN_MB", 2048)

SLOT = "rdvpriority_backup"  # of deploy/backup/database.py, which this program may not import
_LATE = {  # the period, and what a backup may take
    BackupPart.BASE: timedelta(hours=26),
    BackupPart.DUMP: timedelta(days=8),
    BackupPart.PROOFS: timedelta(hours=50),
    BackupPart.STORE: timedelta(hours=50),
}
_NAMES = {
    BackupPart.BASE: "the base backup",
    BackupPart.DUMP: "the dump",
    BackupPart.MIGRATION: "the dump before a migration",
    BackupPart.PROOFS: "the list of proofs",
    BackupPart.WAL: "the log",
    BackupPart.STORE: "the store",
}
_SMALL = 0.5  # of the one before
_SIZED = (BackupPart.BASE, BackupPart.DUMP)
_CLOCKS_DIFFER = timedelta(minutes=1)
_WAITING = sa.text("""
SELECT coalesce(pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn), 0)::bigint, coalesce(wal_status, ''),
  (SELECT setting::bigint << 20 FROM pg_settings WHERE name = 'max_slot_wal_keep_size')
FROM pg_replication_slots WHERE slot_name = :slot AND NOT pg_is_in_recovery()
""")


def check_backups(_: Redis) -> str:
    """Judge the newest backups, and how far the log is stored."""
    if settings().backup_url is None:
        return "nothing is backed up: BACKUP_URL is not set"
    now = clock()
    with read_session() as s:
        states = {each.part: each for each in s.scalars(sa.select(BackupState))}
        slot = s.execute(_WAITING, {"slot": SLOT}).one_or_none()
    log = states.get(BackupPart.WAL)
    raise_troubles([*_find_log_troubles(log, slot, now), *_find_part_troubles(states, now)])
    stored, base = states[BackupPart.WAL].finished_at, states[BackupPart.BASE].finished_at
    return (
        f"the log is stored up to {format_duration(now - (stored or now))} ago,"
        f" the base backup is of {format_duration(now - (base or now))} ago"
    )


def _find_log_troubles(state: BackupState | None, slot: Any, now: datetime) -> Iterator[str]:
    """Tell how far the log is stored, and of `slot`, a row of _WAITING, before PostgreSQL fills its disk."""
    waiting, status, limit = slot or (0, "", 0)
    if status == "lost":
        yield "PostgreSQL gave up log that was not stored: that time cannot be restored"
    if state is None or state.finished_at is None:
        yield "no log is stored yet: is `python -m deploy.backup run` running?"
    elif (age := now - state.finished_at) > timedelta(seconds=BACKUP_LATE_SECONDS):
        because = f": {state.trouble}" if state.trouble else ": is `python -m deploy.backup run` running?"
        yield f"the log is stored up to {format_duration(age)} ago{because}"
    waiting, limit = waiting >> 20, (limit or 0) >> 20
    if limit < 0:
        yield "log that waits for the store may fill PostgreSQL's disk: set max_slot_wal_keep_size"
    warn = min(_backup_wal_warn_mb(), limit // 2) if limit > 0 else _backup_wal_warn_mb()
    if waiting > warn:
        until = f", which gives it up at {limit:,} MB" if limit > 0 else ""
        yield f"{waiting:,} MB of log wait for the store on PostgreSQL's disk{until}"


def _find_part_troubles(states: Mapping[BackupPart, BackupState], now: datetime) -> Iterator[str]:
    for part, name in _NAMES.items():
        state = states.get(part)
        finished = state.finished_at if state else None
        if state and state.trouble and state.trouble_since and part is not BackupPart.WAL:
            yield f"{name}: {state.trouble} (for {format_duration(now - state.trouble_since)})"
        if part not in _LATE:
            continue
        if finished is None:
            yield f"{name} was not made yet"
        elif finished > now + _CLOCKS_DIFFER:
            yield f"{name} is of {format_duration(finished - now)} from now: a clock is, or was, set wrong"
        elif now - finished > _LATE[part]:
            yield f"{name} is {format_duration(now - finished)} old"
        if state and part in _SIZED and (state.bytes or 0) < _SMALL * (state.previous_bytes or 0):
            yield f"{name} is less than half as large as the one before"
