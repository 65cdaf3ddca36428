"""Connections of the metrics to PostgreSQL.

psycopg2 is used without SQLAlchemy, which would take 25 MB of a program that mostly waits.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from threading import Lock
from typing import Any
from uuid import UUID

import psycopg2
from psycopg2.extensions import connection

from configs.database import database_url

STATEMENT_SECONDS = 1.0
_IDLE_SECONDS = 60.0  # for which a connection is kept: without a Prometheus none is open
_REST_SECONDS = 5.0  # after a connection that failed, in which the others fail at once
# A server that vanished is noticed within about five seconds.
_CONNECTION: dict[str, Any] = {
    "connect_timeout": 3, "application_name": "metrics", "keepalives_idle": 2, "keepalives_interval": 1,
    "keepalives_count": 3, "tcp_user_timeout": 5_000,
}  # fmt: skip
# By transaction and not by session: PgBouncer may give each transaction another session.
_BEGIN = (
    f"BEGIN READ ONLY; SET LOCAL statement_timeout = {round(STATEMENT_SECONDS * 1000)}; SET LOCAL jit = off;"
    " SET LOCAL max_parallel_workers_per_gather = 0"
)
_RANDOM_BITS = 80  # of a UUIDv7, behind its 48 bits of milliseconds

Fetch = Callable[[str, Mapping[str, Any]], list[tuple[Any, ...]]]


class MetricDatabase:
    """A pool of connections that only read. No statement takes longer than STATEMENT_SECONDS."""

    def __init__(self) -> None:
        self._free: list[tuple[float, connection]] = []
        self._lock = Lock()
        self._rests_until = 0.0
        self._trouble = ""

    @contextmanager
    def begin_read(self) -> Iterator[Fetch]:
        """Give a function that runs a statement in a read-only transaction and returns its rows.

        Raises:
            psycopg2.Error: the server is away, refuses, or takes too long.
            configs.settings.SettingMissing: DATABASE_URL is not set.
        """
        sql = self._borrow()
        try:
            with sql.cursor() as cursor:

                def fetch(statement: str, given: Mapping[str, Any]) -> list[tuple[Any, ...]]:
                    cursor.execute(statement, given or None)
                    return cursor.fetchall()

                cursor.execute(_BEGIN)
                yield fetch
                cursor.execute("COMMIT")
        except BaseException:
            with suppress(psycopg2.Error):
                sql.close()
            raise
        with self._lock:
            self._free.append((time.monotonic(), sql))

    def close_idle(self) -> None:
        """Close the connections that were not used lately."""
        oldest = time.monotonic() - _IDLE_SECONDS
        with self._lock:
            idle = [sql for used, sql in self._free if used < oldest]
            self._free = [(used, sql) for used, sql in self._free if used >= oldest]
        for sql in idle:
            with suppress(psycopg2.Error):
                sql.close()

    def close(self) -> None:
        """Close the connections in the pool."""
        with self._lock:
            free, self._free = self._free, []
        for _, sql in free:
            with suppress(psycopg2.Error):
                sql.close()

    def _borrow(self) -> connection:
        with self._lock:
            if self._free:
                return self._free.pop()[1]
            if time.monotonic() < self._rests_until:
                raise psycopg2.OperationalError(self._trouble)
        try:
            opened: connection = psycopg2.connect(database_url().replace("+psycopg2", "", 1), **_CONNECTION)
        except psycopg2.OperationalError as error:
            with self._lock:
                self._rests_until, self._trouble = time.monotonic() + _REST_SECONDS, str(error)
            raise
        opened.autocommit = True  # the statements begin and end their transactions themselves
        return opened


def first_id_at(moment: datetime) -> str:
    """Return the smallest UUIDv7 that a row made at `moment` can have (api/paging.py, without SQLAlchemy)."""
    return str(UUID(int=int(moment.timestamp() * 1000) << _RANDOM_BITS))


def list_periods(now: datetime, length: timedelta, back: timedelta) -> list[datetime]:
    """Return when each period began from now to `back` ago, the newest first; as date_bin with the epoch as origin."""
    seconds = length.total_seconds()
    newest = datetime.fromtimestamp(now.timestamp() // seconds * seconds, UTC)
    return [newest - place * length for place in range(int(back / length) + 1)]
