"""Stream of the write-ahead log into the store, through a replication slot.

The server keeps its log until a chunk of it is stored elsewhere: that is when the position is confirmed, not when it
was received. So nothing is lost when this program dies, and a store that is away costs the server's disk (bounded by
its max_slot_wal_keep_size) and no second spool here.
https://www.postgresql.org/docs/18/warm-standby.html#STREAMING-REPLICATION-SLOTS
"""

import select
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import closing
from datetime import UTC, datetime
from threading import Event
from typing import Any

import psycopg2
import structlog
from psycopg2.extensions import connection
from psycopg2.extras import REPLICATION_PHYSICAL
from pyrage.x25519 import Recipient

from configs.ground.logs import OutageLog
from configs.ground.object_store import Blobs, StoreAway, StoreTrouble
from configs.settings import settings
from deploy.backup import BackupError, status
from deploy.backup.database import (
    SLOT,
    ServerState,
    ask,
    connect,
    connect_for_log,
    format_lsn,
    parse_lsn,
    read_server,
)
from deploy.backup.wal_archive import (
    SEGMENT,
    chunk_key,
    history_key,
    read_archive,
    seal,
    segment_start,
)

_CHUNK_BYTES = 1 << 24
_FEEDBACK = 10.0  # seconds; wal_sender_timeout is 60
_LONGEST_LOOK = 1.0
_STEP = 0.1
_START = (
    "SELECT coalesce(restart_lsn, pg_current_wal_lsn())::text FROM pg_replication_slots WHERE slot_name = %s"
)
# No time-out ends a call of the kernel's.
_STUCK = "the folder of BACKUP_URL takes nothing and says nothing: is its disk or its server stuck?"

log = structlog.get_logger(__name__)


class WalStream:
    """Stores the log until it is stopped; each failure begins it again from what is confirmed."""

    def __init__(self, blobs: Blobs, recipients: Sequence[Recipient], stopped: Event) -> None:
        self._blobs, self._recipients, self._stopped = blobs, recipients, stopped
        self._outage = OutageLog()

    def run(self) -> None:
        """Stream until stopped."""
        while not self._stopped.is_set():
            try:
                self._stream()
            except (psycopg2.Error, StoreAway, BackupError) as error:
                self.note(error)
                self._stopped.wait(settings().backup_wal_seconds)

    def _stream(self) -> None:
        with closing(connect()) as sql, closing(connect_for_log()) as replication:
            server = read_server(sql)
            start = self._prepare_slot(sql)
            self._refuse_other_copy(server)
            cursor: Any
            with replication.cursor() as cursor:
                self._store_history(cursor, server)
                cursor.start_replication(
                    slot_name=SLOT, slot_type=REPLICATION_PHYSICAL, start_lsn=format_lsn(start),
                    timeline=server.timeline, decode=False,
                )  # fmt: skip
                log.info("the log is being stored", start=format_lsn(start), timeline=server.timeline)
                _LogReader(self, sql, cursor, server, start).run(self._stopped)

    def _prepare_slot(self, sql: connection) -> int:
        """Return where the stream begins; a slot that is new, or lost its log, needs a new base backup.

        It begins with a whole segment, because PostgreSQL reads a segment from its beginning.
        """
        size = ask(sql, "SELECT setting::bigint FROM pg_settings WHERE name = 'wal_segment_size'")[0][0]
        if size != SEGMENT:
            raise BackupError(f"the server's wal_segment_size is {size}: only {SEGMENT} is supported")
        lost = ask(sql, "SELECT wal_status = 'lost' FROM pg_replication_slots WHERE slot_name = %s", SLOT)
        if lost == [(True,)]:
            log.error(
                "the server gave up log that was not stored: that time cannot be restored, a base backup begins"
            )
            ask(sql, "SELECT pg_drop_replication_slot(%s)", SLOT)
        if lost in ([], [(True,)]):
            # First the request: the base is made as soon as there is a slot, and has to answer it.
            status.request_backup(sql, "base")
            ask(sql, "SELECT pg_create_physical_replication_slot(%s, true)", SLOT)
        return segment_start(parse_lsn(ask(sql, _START, SLOT)[0][0]))

    def _refuse_other_copy(self, server: ServerState) -> None:
        """Refuse to mix the log of two servers.

        Raises:
            BackupError: the store holds more of this timeline than the server has written.
        """
        chunks = read_archive(self._blobs, server.system).chunks.get(server.timeline, [])
        end = max((each.end for each in chunks), default=0)
        if end > server.lsn:
            raise BackupError(
                f"the store holds this timeline up to {format_lsn(end)}, the server wrote it up to"
                f" {format_lsn(server.lsn)}: another copy of it stores its log there, or its disk lost some:"
                " give it another BACKUP_URL"
            )

    def _store_history(self, cursor: Any, server: ServerState) -> None:
        """Store where this timeline began.

        Raises:
            BackupError: another copy of this cluster stores its log under the same number.
        """
        if server.timeline == 1:
            return
        cursor.execute(f"TIMELINE_HISTORY {server.timeline}")
        content = cursor.fetchall()[0][1]
        content = content.encode() if isinstance(content, str) else bytes(content)
        key = history_key(server.system, server.timeline, content)
        there = read_archive(self._blobs, server.system).histories.get(server.timeline)
        if there is None:
            self._blobs.put(key, seal(key, content, self._recipients))
        elif there != key:
            raise BackupError(
                f"another copy of this cluster stores its log as timeline {server.timeline} too: give one of them"
                " another BACKUP_URL"
            )

    def store(self, server: ServerState, start: int, data: bytes, until: datetime) -> None:
        """Store one chunk.

        Raises:
            StoreAway: the store does not take it.
        """
        key = chunk_key(server.system, server.timeline, start, len(data), until)
        self._blobs.put(key, seal(key, data, self._recipients))
        if outage := self._outage.end():
            log.info("the log is stored again", was=outage)

    def note(self, error: Exception) -> None:
        """Log a failure once, and record it for health."""
        if self._outage.begin(str(error), type(error)):
            log.warning("the log is not stored, the server keeps it", because=str(error).strip())
        text = str(error) if isinstance(error, BackupError) else None
        text = f"the store of backups {error.trouble}" if isinstance(error, StoreAway) else text
        if text:
            try:
                with closing(connect()) as sql:
                    status.record_trouble(sql, "wal", text)
            except psycopg2.Error:
                log.info("the state of the backups is not recorded, the database is away")


class _LogReader:
    """One connection's stream: collects what the server sends, stores it by size and by time, confirms it.

    A server that shuts down waits until its log is confirmed, but ends the connection for SQL at once: then this one is
    closed too, and the slot keeps what is not stored.
    """

    def __init__(
        self, stream: WalStream, sql: connection, cursor: Any, server: ServerState, start: int
    ) -> None:
        self._stream, self._sql, self._cursor, self._server = stream, sql, cursor, server
        self._start = start  # of what is not stored yet
        self._buffer = bytearray()
        self._until = server.at
        self._stored_at = self._confirmed_at = time.monotonic()

    def run(self, stopped: Event) -> None:
        """Read until stopped; what is left is stored then."""
        with ThreadPoolExecutor(1, "store") as self._thread:
            while not stopped.is_set():
                message = self._cursor.read_message()
                if message:
                    self._take(message)
                left = settings().backup_wal_seconds - (time.monotonic() - self._stored_at)
                if len(self._buffer) >= _CHUNK_BYTES or left <= 0:
                    self._store()
                elif not message:
                    self._attend([self._cursor], min(left, _LONGEST_LOOK))
            self._store()

    def _take(self, message: Any) -> None:
        expected = self._start + len(self._buffer)
        if message.data_start != expected:
            raise BackupError(
                f"the server sent its log from {format_lsn(message.data_start)}, not from {format_lsn(expected)}"
            )
        self._buffer += message.payload
        self._until = message.send_time.astimezone(UTC)  # it comes without a zone, in the machine's

    def _store(self) -> None:
        if self._buffer:
            given = (self._server, self._start, bytes(self._buffer), self._until)
            storing = self._thread.submit(self._stream.store, *given)
            late = time.monotonic() + settings().backup_call_seconds + _STEP
            while not storing.done():
                wait([storing], _STEP)
                self._attend([], 0)
                if time.monotonic() > late:
                    late = float("inf")
                    self._stream.note(StoreAway(_STUCK, StoreTrouble.SILENT))
            storing.result()
            self._start += len(self._buffer)
            self._buffer.clear()
            self._confirm()
            status.record_stored_log(self._sql, self._start, self._until)
        self._stored_at = time.monotonic()

    def _attend(self, others: list[Any], seconds: float) -> None:
        """Wait for `others`, keep the connection, and end with the server.

        Raises:
            psycopg2.OperationalError: the server shuts down.
        """
        if time.monotonic() - self._confirmed_at >= _FEEDBACK:
            self._confirm()
        readable, _, _ = select.select([*others, self._sql], [], [], seconds)
        if self._sql in readable:
            raise psycopg2.OperationalError("the server ends its connections")

    def _confirm(self) -> None:
        """Tell the server what it need not keep: up to the last byte that is stored, not to the one behind it.

        Where the position at which a message begins is confirmed, psycopg2 confirms the whole message at a keepalive.
        """
        self._cursor.send_feedback(write_lsn=self._start - 1, flush_lsn=self._start - 1, force=True)
        self._confirmed_at = time.monotonic()
