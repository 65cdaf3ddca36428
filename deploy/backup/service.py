"""The backup service: streams the log, makes what is due, and the dump that a migration asks for."""

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from functools import partial
from threading import Event

import psycopg2
import structlog
from psycopg2.extensions import connection

from configs.ground.logs import OutageLog
from configs.ground.object_store import StoreAway, StoreTrouble
from configs.settings import Constant, settings
from deploy.backup import BackupError, NotNow, status
from deploy.backup.database import SLOT, ServerState, ask, connect, format_lsn, parse_lsn, read_server
from deploy.backup.encryption import fingerprints
from deploy.backup.manifest import Kind, Manifest, read_catalogue
from deploy.backup.retention import prune
from deploy.backup.snapshot import Store, take_backup
from deploy.backup.store_check import find_troubles
from deploy.backup.wal_stream import WalStream

# How often the backup service looks for what is due
_backup_look_seconds = Constant("BACKUP_LOOK_SECONDS", 5.0)
# How long a backup that failed is left before it is tried again
_backup_retry_seconds = Constant("BACKUP_RETRY_SECONDS", 600.0)

FAILURES = (psycopg2.Error, StoreAway, BackupError, OSError)
_PERIODS = {Kind.BASE: timedelta(days=1), Kind.DUMP: timedelta(weeks=1), Kind.PROOFS: timedelta(days=1)}
_SUNDAY = datetime(2026, 1, 4, tzinfo=UTC)  # dumps are due on Sundays
_CLOCKS_DIFFER = timedelta(minutes=5)
_LONGEST_WAIT = 120.0  # seconds, for log that is on its way
_LONGEST_STOP = 20.0  # seconds; its container is killed after 30

log = structlog.get_logger(__name__)


def find_due_time(kind: Kind, now: datetime) -> datetime:
    """Return the newest instant, up to now, at which a backup is due."""
    first = _SUNDAY + timedelta(hours=settings().backup_hour)
    return now - (now - first) % _PERIODS[kind]


def is_due(kind: Kind, complete: list[Manifest], server: ServerState, keys: Sequence[str] = ()) -> bool:
    """Whether a backup is to be made; one of the future, by a clock that was wrong, does not count.

    A base backup is also due on a timeline without one, because a restore began it, and where the newest one is
    encrypted to other public keys than those with these fingerprints.
    """
    own = [each for each in complete if each.started_at <= server.at + _CLOCKS_DIFFER]
    if kind is Kind.BASE:
        own = [each for each in own if (each.system, each.timeline) == (server.system, server.timeline)]
        if own and keys and own[-1].recipients not in ((), tuple(keys)):
            return True
    return not own or own[-1].started_at < find_due_time(kind, server.at)


def has_slot(sql: connection) -> bool:
    """Whether the server keeps its log for us yet."""
    return bool(ask(sql, "SELECT 1 FROM pg_replication_slots WHERE slot_name = %s", SLOT))


def wait_for_log(sql: connection, lsn: int, stopped: Event) -> None:
    """Wait until the log is stored up to a position: a base backup is worth nothing without it.

    Raises:
        BackupError: it is not, after minutes.
        NotNow: the program is to end before.
    """
    longest = max(_LONGEST_WAIT, 4 * settings().backup_wal_seconds)
    end = time.monotonic() + longest
    while time.monotonic() < end:
        rows = ask(sql, "SELECT restart_lsn::text FROM pg_replication_slots WHERE slot_name = %s", SLOT)
        if (
            rows and rows[0][0] and parse_lsn(rows[0][0]) + 1 >= lsn
        ):  # the last byte that is stored is confirmed
            return
        if stopped.wait(min(0.5, settings().backup_wal_seconds)):
            raise NotNow("the backup is stopped: it is made again when the service runs")
    raise BackupError(
        f"the log is not stored up to {format_lsn(lsn)} after {longest:.0f} s:"
        " is `python -m deploy.backup run` running?"
    )


class BackupService:
    """Runs until stopped. Each kind of backup fails for itself, and is tried again later."""

    def __init__(self, store: Store, stopped: Event) -> None:
        self._store, self._stopped = store, stopped
        self._not_before: dict[Kind, float] = {}  # by the monotonic clock
        self._complete: dict[Kind, list[Manifest]] = {}
        self._listed_at = 0.0
        self._asked: object = None  # the newest request of a migration
        self.has_failed = False

    def run(self) -> list[str]:
        """Work until stopped; return which threads did not end in time: a store that hangs holds them.

        The main thread waits only, because a signal reaches no thread that a store holds.
        """
        stream = WalStream(self._store.blobs, self._store.recipients, self._stopped)
        works = {
            "log": stream.run,
            "migrations": partial(self._repeat, self.answer_migration),
            "backups": partial(self._repeat, self.make_due),
        }
        threads = [
            threading.Thread(target=self._work, args=(work,), name=name, daemon=True)
            for name, work in works.items()
        ]
        for thread in threads:
            thread.start()
        self._stopped.wait()
        end = time.monotonic() + _LONGEST_STOP
        for thread in threads:
            thread.join(max(0.0, end - time.monotonic()))
        return [thread.name for thread in threads if thread.is_alive()]

    def _work(self, work: Callable[[], None]) -> None:
        """Do one thread's work. An unexpected error ends the program, which its supervisor starts again."""
        try:
            work()
        except BaseException:
            log.exception("the service ends: what starts it again lets it go on where it was")
            self.has_failed = True
        finally:
            self._stopped.set()

    def _repeat(self, turn: Callable[[connection], None]) -> None:
        outage = OutageLog()
        while not self._stopped.is_set():
            try:
                with closing(connect()) as sql:
                    turn(sql)
                if was := outage.end():
                    log.info("works again", was=was)
            except FAILURES as error:
                if outage.begin(str(error), type(error)):
                    log.warning("is tried again", because=str(error).strip())
            self._stopped.wait(_backup_look_seconds())

    def answer_migration(self, sql: connection) -> None:
        """Make the dump that a migration waits for."""
        request = status.read_request(sql, Kind.MIGRATION)
        if (
            request != self._asked
        ):  # a migration that is started again does not wait for the last one's failure
            self._asked = request
            self._not_before.pop(Kind.MIGRATION, None)
        if request and self._try(sql, Kind.MIGRATION):
            status.answer_request(sql, Kind.MIGRATION, request)

    def make_due(self, sql: connection) -> None:
        """Make each backup that is due, then drop what is kept no longer and look at what is left."""
        server = read_server(sql)
        self._list()
        made = [kind for kind in _PERIODS if self._make(sql, kind, server)]
        if made:
            prune(self._store.blobs, server.at)
            check_store(sql, self._store, server)

    def _make(self, sql: connection, kind: Kind, server: ServerState) -> bool:
        if kind is Kind.BASE and not has_slot(sql):
            return False  # its log would not be stored from its beginning
        request = status.read_request(sql, kind)
        is_made = bool(request or self._is_due(kind, server)) and self._try(sql, kind)
        if request and is_made:
            status.answer_request(sql, kind, request)
        return is_made

    def _try(self, sql: connection, kind: Kind) -> bool:
        """Make a backup; where that fails, say so, and leave it for a while."""
        if time.monotonic() < self._not_before.get(kind, 0.0) or self._stopped.is_set():
            return False
        try:
            wait = partial(wait_for_log, stopped=self._stopped)
            manifest = take_backup(self._store, kind, wait, self._stopped)
        except NotNow as error:
            log.info("a backup is left for later", kind=str(kind), because=str(error))
        except FAILURES as error:
            log.error("a backup failed", kind=str(kind), because=str(error).strip())  # noqa: TRY400 -- one line says it
            status.record_trouble(sql, kind, describe_for_health(error))
            self._make_room(sql, error)
        else:
            self._complete.setdefault(kind, []).append(manifest)
            return True
        self._not_before[kind] = time.monotonic() + _backup_retry_seconds()
        return False

    def _is_due(self, kind: Kind, server: ServerState) -> bool:
        """Whether a backup is due, also by what another process may have stored since the store was listed."""
        keys = fingerprints(self._store.recipients)
        if not is_due(kind, self._complete[kind], server, keys):
            return False
        if time.monotonic() < self._not_before.get(kind, 0.0):
            return True  # it is left alone anyway
        self._complete[kind] = read_catalogue(self._store.blobs, kind).complete
        return is_due(kind, self._complete[kind], server, keys)

    def _make_room(self, sql: connection, error: Exception) -> None:
        """Drop what is kept no longer where the store is full: no new backup, which would have it dropped, fits in."""
        if isinstance(error, StoreAway) and error.trouble is StoreTrouble.FULL:
            try:
                prune(self._store.blobs, read_server(sql).at)
            except FAILURES as trouble:
                log.warning("nothing could be dropped from the full store", because=str(trouble).strip())

    def _list(self) -> None:
        """Read what the store holds, once an hour: other processes may have changed it."""
        if self._complete and time.monotonic() < self._listed_at + 3600:
            return
        self._complete |= {kind: read_catalogue(self._store.blobs, kind).complete for kind in _PERIODS}
        self._listed_at = time.monotonic()


def check_store(sql: connection, store: Store, server: ServerState) -> list[str]:
    """Look at the store, note what is wrong, and return it.

    Raises:
        StoreAway: the store does not answer.
    """
    made, stored = status.read_made(sql, list(_PERIODS)), status.read_stored_lsn(sql)
    troubles = find_troubles(store.blobs, server.system, made, stored, fingerprints(store.recipients))
    for trouble in troubles:
        log.error("the store is not as it should be", trouble=trouble)
    status.record_check(sql, server.at, troubles)
    return troubles


def describe_for_health(error: Exception) -> str:
    """Return a failure in words that everybody may read: no address, no path."""
    if isinstance(error, StoreAway):
        return f"the store of backups {error.trouble}"
    if isinstance(error, psycopg2.Error):
        return "PostgreSQL does not answer the backups"
    return "it cannot be made: the log of `backup` says why"
