"""Health of the servers: PostgreSQL, Redis, tables and keys, the site's certificate as visitors get it, and backups.

The certificate is asked for at API_URL and FRONTEND_URL, so what renews, copies and loads it is
seen too. One that ends soon is named before browsers refuse it. The backup service writes the rows of backups; the
server itself says what log waits. No key to the store is needed.
"""

import socket
import ssl
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import sqlalchemy as sa
from redis import Redis, RedisError

from api.admin.health.findings import PartDown, read_session, refuse
from api.models.backup_state import BACKUP_LATE_SECONDS, BackupPart, BackupState
from api.models.base import read_once, session, takes_writes
from api.models.check_partitions import count_days_ahead
from api.models.user import Channel, Contact
from configs.ground.addresses import is_loopback
from configs.ground.clock import clock
from configs.ground.database_errors import read_refusal
from configs.ground.encryption import DecryptionFailed, decrypt
from configs.ground.text import format_duration, pluralize
from configs.settings import Constant, settings

# With fewer days ahead than this health calls the table degraded
_PARTITION_DAYS_LOW = Constant("PARTITION_DAYS_LOW", 7)
_SAMPLED = 10  # contacts of each channel, from each end of an index


def check_database(redis: Redis) -> str:
    """Ask whether PostgreSQL takes writes."""
    if not takes_writes():
        raise PartDown("takes no writes: it is a standby, or set read-only")
    with suppress(RedisError):  # the part `redis` reports it
        if refused := read_refusal(redis):
            raise PartDown(f"a write was refused within the last minute ({refused})")
    return "answers"


def check_redis(redis: Redis) -> str:
    """Ask whether Redis answers."""
    redis.ping()
    return "answers"


def check_eviction(redis: Redis) -> str:
    """Ask whether Redis may throw keys away."""
    memory: Any = redis.info("memory")  # not CONFIG GET: hosted servers refuse it
    policy = memory["maxmemory_policy"]
    if policy != "noeviction":
        raise PartDown(f"maxmemory-policy is {policy}: set noeviction, or jobs are lost without a word")
    return "noeviction"


def check_keys(_: Redis) -> str:
    """Decrypt the oldest and the newest contacts of each channel: encrypted texts begin with their time."""
    stored = sa.type_coerce(Contact.address, sa.Text)
    with session() as s:
        for channel in (Channel.SMS, Channel.TELEGRAM, Channel.PUSH):
            for order in (stored.asc(), stored.desc()):
                asked = sa.select(stored).where(Contact.channel == channel).order_by(order).limit(_SAMPLED)
                try:
                    for text in s.scalars(asked):
                        decrypt(text)
                except DecryptionFailed:
                    raise PartDown(
                        "phone numbers or chats cannot be decrypted: give DATA_KEYS back the key that it lost"
                    ) from None
    return "what they encrypted can be read"


def check_partitions(_: Redis) -> str:
    """Count the days of `checks` that are made ahead."""
    ahead = read_once(count_days_ahead, clock().date())
    text = f"{pluralize(ahead, 'day')} of checks are made ahead"
    if ahead < _PARTITION_DAYS_LOW():
        raise PartDown(f"{text}: the job keep_partitions makes them, the log of `background` says what fails")
    return text


SOON = timedelta(days=10)  # certbot renews a month before the end
_PATIENCE = 1.0


def check_certificates(_: Redis) -> str:
    """Look at the certificate of each address; return until when all are good."""
    addresses = sorted(filter(None, map(_read_address, {settings().api_url, settings().frontend_url})))
    described = [_describe(host, port) for host, port in addresses]
    refuse([text for text, is_good in described if not is_good])
    return "; ".join(text for text, _ in described) or "none: API_URL is not https"


def _read_address(url: str) -> tuple[str, int] | None:
    parts = urlsplit(url)
    host = parts.hostname or ""
    is_ours = not settings().loopback_only or is_loopback(host)
    return (host, parts.port or 443) if parts.scheme == "https" and host and is_ours else None


def _describe(host: str, port: int) -> tuple[str, bool]:
    """Return one certificate's state in words, and whether it is good."""
    try:
        ends_at = _read_end(host, port)
    except ssl.SSLCertVerificationError as error:
        return f"visitors of {host} are refused: {error.verify_message}", False
    except ConnectionRefusedError:  # the name leads to a machine that listens there no more
        return f"nothing listens at {host}: is nginx running?", False
    except (OSError, ValueError) as error:  # the way out and back in is closed on some machines
        return f"that of {host} cannot be seen from here ({type(error).__name__})", True
    left = ends_at - clock()
    if left <= timedelta():
        return f"visitors of {host} are refused: certificate has expired", False
    if left < SOON:
        return (
            f"that of {host} ends in {format_duration(left)}: the log of `certbot` says why it was not renewed",
            False,
        )
    return f"that of {host} ends in {format_duration(left)}", True


def _read_end(host: str, port: int) -> datetime:
    """Return when a certificate ends, as a browser would find it.

    Raises:
        OSError: nothing answers; ssl.SSLCertVerificationError, which is one: a browser would refuse it.
    """
    with (
        socket.create_connection((host, port), timeout=_PATIENCE) as plain,
        ssl.create_default_context().wrap_socket(plain, server_hostname=host) as encrypted,
    ):
        found = encrypted.getpeercert() or {}
    return datetime.fromtimestamp(ssl.cert_time_to_seconds(str(found["notAfter"])), UTC)


# Health warns when more log than this waits on PostgreSQL's disk because the store does not take it
_BACKUP_WAL_WARN_MB = Constant("BACKUP_WAL_WARN_MB", 2048)

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
    refuse([*_find_log_troubles(log, slot, now), *_find_part_troubles(states, now)])
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
    warn = min(_BACKUP_WAL_WARN_MB(), limit // 2) if limit > 0 else _BACKUP_WAL_WARN_MB()
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
