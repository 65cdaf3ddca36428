"""Reads of the streaming program, by psycopg2 alone: SQLAlchemy and the records would be a third of its memory."""

from collections.abc import Mapping
from threading import Lock
from typing import Any

import psycopg2
from psycopg2.extensions import connection as Connection  # noqa: N812 -- it is a class
from psycopg2.extras import register_uuid

from api.models.session_options import set_session_options
from configs.ground.database import DATABASE_SECONDS, database_url
from configs.ground.psycopg_timeout import wait_no_longer_than

DatabaseAway = psycopg2.Error
_OPTIONS: dict[str, Any] = {
    "application_name": "stream", "keepalives_idle": 5, "keepalives_interval": 2, "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
}  # fmt: skip


class Reader:
    """One connection, by which statements of a millisecond take turns; each is a transaction of its own."""

    def __init__(self) -> None:
        self._connection: Connection | None = None
        self._turn = Lock()
        wait_no_longer_than(DATABASE_SECONDS())
        register_uuid()  # type: ignore[no-untyped-call]

    def fetch(self, statement: str, values: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        """Return the rows of a statement; the next one connects anew where it fails.

        Raises:
            DatabaseAway: it cannot be carried out.
        """
        with self._turn:
            try:
                self._connection = self._connection or _connect()
                with self._connection.cursor() as cursor:
                    cursor.execute(statement, values)
                    return cursor.fetchall()
            except BaseException:
                self.close()
                raise

    def close(self) -> None:
        """Close the connection."""
        made, self._connection = self._connection, None
        if made:
            made.close()


def _connect() -> Connection:
    made: Connection = psycopg2.connect(database_url().replace("+psycopg2", "", 1), **_OPTIONS)
    set_session_options(made, None)
    made.autocommit = True
    return made
