"""Connections of the backups to PostgreSQL: for SQL, for its write-ahead log, and for the server's own tools.

psycopg2 is used without SQLAlchemy: the engine of api.models.base sets a wait callback for the whole process, with
which psycopg2 refuses to read the log.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import datetime
from subprocess import Popen
from tempfile import TemporaryFile
from typing import Any, NamedTuple

import psycopg2
from psycopg2.extensions import connection, make_dsn, parse_dsn
from psycopg2.extras import PhysicalReplicationConnection

from configs.ground.database import database_seconds, database_url
from deploy.backup import BackupError, NotNow
from deploy.postgres_tools import find_tool

_LAST_LINES = 600  # characters of a tool's errors
SLOT = "rdvpriority_backup"
_LOCK = 0x72647662  # "rdvb"; the second number of the lock is the kind's
# A server that vanished is noticed within about ten seconds.
_CONNECTION: dict[str, Any] = {
    "connect_timeout": 10, "application_name": "backup", "keepalives_idle": 5, "keepalives_interval": 2,
    "keepalives_count": 3, "tcp_user_timeout": 10_000,
}  # fmt: skip
# https://www.postgresql.org/docs/18/libpq-envars.html; not as arguments, which every user of the machine can read
_VARIABLES = {
    "host": "PGHOST", "hostaddr": "PGHOSTADDR", "port": "PGPORT", "dbname": "PGDATABASE", "user": "PGUSER",
    "password": "PGPASSWORD", "sslmode": "PGSSLMODE", "sslrootcert": "PGSSLROOTCERT", "sslcert": "PGSSLCERT",
    "sslkey": "PGSSLKEY", "channel_binding": "PGCHANNELBINDING",
}  # fmt: skip
_STATE = """
SELECT (SELECT system_identifier FROM pg_control_system())::text, pg_walfile_name(pg_current_wal_lsn()),
  pg_current_wal_lsn()::text, clock_timestamp(), current_setting('server_version_num')::int,
  (SELECT sum(pg_database_size(oid)) FROM pg_database WHERE datallowconn)::bigint
"""


class ServerState(NamedTuple):
    """A server that takes writes, at one moment of its own clock."""

    system: str  # identifier of the cluster, drawn by initdb
    timeline: int
    lsn: int  # end of its log
    at: datetime
    version: int  # 180004
    bytes: int  # of all databases


def connect() -> connection:
    """Open a connection on which each statement is a transaction of its own.

    Raises:
        psycopg2.OperationalError: the server does not answer.
        configs.settings.SettingMissing: DATABASE_URL is not set.
    """
    timeout = f"-c timezone=utc -c statement_timeout={round(database_seconds() * 1000)}"
    made: connection = psycopg2.connect(_dsn(), **_CONNECTION, options=timeout)
    made.autocommit = True
    return made


def connect_for_log() -> connection:
    """Open a connection for replication commands. Its role needs REPLICATION, and a line in pg_hba.conf.

    Raises:
        psycopg2.OperationalError: the server does not answer, or refuses.
    """
    made: connection = psycopg2.connect(
        _dsn(), **_CONNECTION, connection_factory=PhysicalReplicationConnection
    )
    return made


def ask(sql: connection, statement: str, *given: object) -> list[tuple[Any, ...]]:
    """Carry out a statement; return its rows, none where it has none."""
    with sql.cursor() as cursor:
        cursor.execute(statement, given or None)
        return cursor.fetchall() if cursor.description else []


def read_server(sql: connection) -> ServerState:
    """Return the server's state.

    Raises:
        BackupError: it is a standby, or still being restored.
    """
    if ask(sql, "SELECT pg_is_in_recovery()")[0][0]:
        raise BackupError(
            "the server is being restored, or is a standby: it is backed up once it takes writes"
        )
    system, file, lsn, at, version, size = ask(sql, _STATE)[0]
    return ServerState(system, int(file[:8], 16), parse_lsn(lsn), at, version, size)


def read_revision(sql: connection) -> str | None:
    """Return the newest migration of the database; none of one that has no tables yet."""
    if ask(sql, "SELECT to_regclass('alembic_version')")[0][0] is None:
        return None
    found: str | None = ask(sql, "SELECT max(version_num) FROM alembic_version")[0][0]
    return found


@contextmanager
def hold_lock(kind: int) -> Iterator[connection]:
    """Keep other processes from the same kind of work for as long as the block lasts; the server frees what died.

    Raises:
        NotNow: another process is at it.
    """
    with closing(connect()) as sql:
        if not ask(sql, "SELECT pg_try_advisory_lock(%s, %s)", _LOCK, kind)[0][0]:
            raise NotNow("another process is making this backup: wait until it has ended")
        yield sql


def tool_command(name: str, *arguments: str) -> list[str]:
    """Return a command of one of PostgreSQL's tools.

    Raises:
        BackupError: it is not installed.
    """
    found = find_tool(name)
    if found is None:
        raise BackupError(
            f"{name} is not installed: install PostgreSQL's client programs of the server's version"
        )
    return [str(found), *arguments]


@contextmanager
def run_tool(
    command: list[str], *, describe: Callable[[], str] = str, **options: Any
) -> Iterator[Popen[bytes]]:
    """Run a tool, whose pipes the block reads or writes.

    Raises:
        BackupError: it failed; the text has what `describe` says, and the end of its errors.
    """
    with TemporaryFile() as errors, Popen(command, stderr=errors, **options) as tool:
        try:
            yield tool
        except BaseException:
            tool.kill()
            raise
        if code := tool.wait():
            errors.seek(0)
            said = " ".join(errors.read().decode("utf-8", "replace").split())[-_LAST_LINES:]
            raise BackupError(f"{describe()}{command[0].rpartition('/')[2]} ended with {code}: {said}")


def tool_environment() -> dict[str, str]:
    """Return the environment of such a tool: where the server is, and none of our other secrets."""
    kept = {
        name: os.environ[name] for name in ("HOME", "LD_LIBRARY_PATH", "PATH", "TMPDIR") if name in os.environ
    }
    given = {_VARIABLES[name]: str(value) for name, value in parse_dsn(_dsn()).items() if name in _VARIABLES}
    return kept | given | {"LC_ALL": "C", "PGAPPNAME": "backup", "PGCONNECT_TIMEOUT": "10"}


def parse_lsn(text: str) -> int:
    """Return a position of the log, which PostgreSQL writes as two hexadecimal halves: `0/16ED740`."""
    high, low = text.split("/")
    return (int(high, 16) << 32) + int(low, 16)


def format_lsn(lsn: int) -> str:
    """Return a position as PostgreSQL writes it."""
    return f"{lsn >> 32:X}/{lsn & 0xFFFFFFFF:X}"


def _dsn() -> str:
    return make_dsn(database_url("backup").replace("+psycopg2", "", 1))
