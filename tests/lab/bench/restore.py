"""Restoring a database of two sizes: base backup, the log after it, and the time until the server takes writes."""

import os
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg2
import sqlalchemy as sa

from api.migrations.__main__ import config
from api.migrations.tables import upgrade_tables
from configs.ground.object_store import backup_blobs
from configs.settings import settings
from deploy.backup.encryption import make_key, read_identities
from deploy.backup.manifest import Kind, read_catalogue
from deploy.backup.restore import restore
from deploy.backup.restore_plan import make_plan
from deploy.local.postgres import Postgres, start_postgres
from tests.lab.bench.figures import Effort, Figure, Say
from tests.lab.bench.servers import child
from tests.waiting import until

_ROWS_A_MB = 7000
_FILL = "INSERT INTO filler SELECT g, md5(g::text) || md5((g * 7)::text) FROM generate_series(1, %s) g"
_STORED = "SELECT restart_lsn + 1 >= %s FROM pg_replication_slots"
_STEP, _LONGEST = 0.1, 900.0  # seconds


def run(effort: Effort, say: Say) -> list[Figure]:
    """Measure a small and a large database; a tenth as much again is written after the base backup."""
    figures: list[Figure] = []
    for size in effort.of((100, 1000), (20, 40)):
        say(f"{size} MB")
        figures += _measure(size)
    return figures


def _measure(size: int) -> list[Figure]:
    with TemporaryDirectory(prefix="rdv-restore-") as folder:
        home = Path(folder)
        with _serve(home) as server:
            backup = _back_up(home, server, size)
        shutil.rmtree(home / "postgres" / "data")
        begun, identities = time.monotonic(), read_identities(home / "key")
        plan = make_plan(backup_blobs(), identities)
        _, log_bytes, _ = restore(backup_blobs(), identities, plan, home / "postgres" / "data")
        restored = time.monotonic() - begun
        with _serve(home, server.port) as server:
            until(lambda: _run(server, "SELECT NOT pg_is_in_recovery()")[0][0], _LONGEST, _STEP)
            whole = time.monotonic() - begun
    return [
        Figure(f"{size} MB of rows: base backup, s", backup),
        Figure(f"{size} MB of rows: restored (files and log), s", restored),
        Figure(f"{size} MB of rows: log replayed, MB", log_bytes / 1e6),
        Figure(f"{size} MB of rows: until it takes writes, s", whole),
    ]


@contextmanager
def _serve(home: Path, port: int = 0) -> Iterator[Postgres]:
    server = start_postgres(home / "postgres", port=port)
    try:
        yield server
    finally:
        server.stop()


def _back_up(home: Path, server: Postgres, size: int) -> float:
    """Fill the database, back it up, write more; return how long the base backup took."""
    private, public = make_key()
    (home / "key").write_text(private)
    os.environ |= {
        "DATABASE_URL": server.url("postgres"), "BACKUP_URL": str(home / "store"), "BACKUP_RECIPIENTS": public,
        "BACKUP_WAL_SECONDS": "1", "APP_ENV": "test", "STATE_DIR": str(home / "state"),
    }  # fmt: skip
    settings.cache_clear()
    # The service keeps its state in a table.
    upgrade_tables(config(), sa.create_engine(server.url("postgres"), poolclass=sa.NullPool))
    _run(server, "CREATE TABLE filler (id bigint, text text)")
    _run(server, _FILL, size * _ROWS_A_MB)
    with child([sys.executable, "-m", "deploy.backup", "run"], home / "log", dict(os.environ)):
        until(lambda: read_catalogue(backup_blobs(), Kind.BASE).complete, _LONGEST, _STEP)
        _run(server, _FILL, size * _ROWS_A_MB // 10)
        end = _run(server, "SELECT pg_current_wal_lsn()::text")[0][0]
        until(lambda: _run(server, _STORED, end)[0][0], _LONGEST, _STEP)
    bases = read_catalogue(backup_blobs(), Kind.BASE).complete
    return (bases[0].finished_at - bases[0].started_at).total_seconds()


def _run(server: Postgres, statement: str, *given: object) -> list[tuple[object, ...]]:
    connection = psycopg2.connect(server.url("postgres").replace("+psycopg2", ""))
    try:
        with connection, connection.cursor() as asked:
            asked.execute(statement, given)
            return asked.fetchall() if asked.description else []
    finally:
        connection.close()
