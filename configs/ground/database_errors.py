"""Meaning of database errors. One function says whether it is away, by SQLSTATE.

https://www.postgresql.org/docs/18/errcodes-appendix.html
"""

from contextlib import closing, suppress
from datetime import timedelta
from typing import cast

import psycopg2
import sqlalchemy as sa
from psycopg2 import errorcodes
from redis import Redis, RedisError

from configs.ground.redis import redis_client
from configs.settings import SettingMissing

# A standby, or a database that was set so; and a disk that is full.
_READ_ONLY, _DISK_FULL = errorcodes.READ_ONLY_SQL_TRANSACTION, errorcodes.DISK_FULL
# No connection, too little of what a server needs, an end or a start of it, and a server that takes no writes.
_AWAY = ("08", "53", "57P", _READ_ONLY)
_REFUSED = "refused:writes"  # in Redis, while a write was refused within _REFUSED_FOR: the error's name
_REFUSED_FOR = timedelta(seconds=60)
_UNANSWERED = (
    sa.exc.OperationalError,
    sa.exc.InterfaceError,
    psycopg2.OperationalError,
    psycopg2.InterfaceError,
)


def is_away(error: BaseException) -> bool:
    """Whether the database does not answer, takes no writes, or has no connection free.

    Then nothing was written, whoever asked is not at fault, and it ends without us. Two transactions that met, a lock
    that was not given and a statement that took too long are not that: the database works.
    """
    if isinstance(error, sa.exc.TimeoutError):
        return True
    if state := _read_state(error):
        return state.startswith(_AWAY)
    return isinstance(error, _UNANSWERED) or _ended_connection(error)


def passes(error: BaseException) -> bool:
    """Whether the same transaction may succeed when it is tried again: the database is away, or others were met."""
    return is_away(error) or isinstance(error, _UNANSWERED) or _ended_connection(error)


def refuses_writes(error: BaseException) -> bool:
    """Whether the database answers, and takes no writes."""
    return _read_state(error) in (_READ_ONLY, _DISK_FULL)


def judge_connection(context: sa.engine.ExceptionContext) -> None:
    """Have an engine drop its connections after an error that others would meet, and tell health of a refused write.

    A connection to a former primary stays read-only; a new one leads to the server of now.
    """
    if _read_state(context.original_exception) == _READ_ONLY:
        context.is_disconnect = True
    if refuses_writes(context.original_exception):
        with suppress(RedisError, SettingMissing), closing(redis_client(answer_seconds=1)) as client:
            client.set(_REFUSED, type(context.original_exception).__name__, ex=_REFUSED_FOR)


def read_refusal(client: Redis) -> str | None:
    """Return the name of the error by which a write of any program was refused within the last minute.

    What health itself asks meets no full disk.

    Raises:
        redis.RedisError: Redis is away.
    """
    found = cast("bytes | None", client.get(_REFUSED))
    return found.decode() if found else None


def _read_state(error: BaseException) -> str | None:
    """Return the SQLSTATE that the server gave; None where it gave none, as to one that could not connect."""
    cause = error.orig if isinstance(error, sa.exc.DBAPIError) else error
    state: str | None = getattr(cause, "pgcode", None)
    return state


def _ended_connection(error: BaseException) -> bool:
    return isinstance(error, sa.exc.DBAPIError) and error.connection_invalidated
