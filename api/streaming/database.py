"""Reads of the streaming program, by psycopg2 alone: SQLAlchemy and the records would be a third of its memory."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from queue import Empty, LifoQueue
from threading import BoundedSemaphore
from typing import Any

import psycopg2
from psycopg2.extensions import connection as Connection  # noqa: N812 -- it is a class
from psycopg2.extras import register_uuid

from api.models.session_options import set_session_options
from configs.connection_limits import LIMITS
from configs.database import DATABASE_SECONDS, database_url
from configs.psycopg_timeout import wait_no_longer_than

DatabaseAway = psycopg2.Error
_KEPT_SECONDS = 30.0
_OPTIONS: dict[str, Any] = {
    "application_name": "stream", "keepalives_idle": 5, "keepalives_interval": 2, "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
}  # fmt: skip


class ReadPool:
    """Connections that are kept for a while; each statement is a transaction of its own."""

    def __init__(self) -> None:
        self._idle: LifoQueue[tuple[float, Connection]] = LifoQueue()
        self._turns = BoundedSemaphore(LIMITS["stream"])
        wait_no_longer_than(DATABASE_SECONDS())
        register_uuid()  # type: ignore[no-untyped-call]

    def fetch(self, statement: str, values: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        """Return the rows of a statement.

        Raises:
            DatabaseAway: it cannot be carried out.
        """
        with self._turns, self._borrow() as connection, connection.cursor() as cursor:
            cursor.execute(statement, values)
            return cursor.fetchall()

    def close(self) -> None:
        """Close what is idle."""
        with suppress(Empty):
            while True:
                self._idle.get_nowait()[1].close()

    @contextmanager
    def _borrow(self) -> Iterator[Connection]:
        connection = self._find_idle() or self._connect()
        try:
            yield connection
        except BaseException:
            connection.close()
            self.close()  # a server that was restarted left none of them
            raise
        self._idle.put((time.monotonic(), connection))

    def _find_idle(self) -> Connection | None:
        while True:
            try:
                used, connection = self._idle.get_nowait()
            except Empty:
                return None
            if not connection.closed and time.monotonic() - used < _KEPT_SECONDS:
                return connection
            connection.close()

    def _connect(self) -> Connection:
        address = database_url().replace("+psycopg2", "", 1)
        made: Connection = psycopg2.connect(address, **_OPTIONS)
        set_session_options(made, None)
        made.autocommit = True
        return made
