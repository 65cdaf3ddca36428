"""Restoring a database of two sizes: base backup, the log after it, and the time until the server takes writes."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import psycopg2

from configs.object_store import backup_blobs
from configs.settings import settings
from deploy.backup.encryption import make_key, read_identities
from deploy.backup.manifest import Kind, read_catalogue
from deploy.backup.restore import restore
from deploy.backup.restore_plan import Wish, make_plan
from deploy.local.postgres import Postgres, start_postgres
from deploy.local.processes import stop
from tests.lab.bench.figures import Effort, Figure, Say

_ROWS_A_MB = 7000
_FILL = "INSERT INTO filler SELECT g, md5(g::text) || md5((g * 7)::text) FROM generate_series(1, %s) g"
_STORED = "SELECT restart_lsn + 1 >= %s FROM pg_replication_slots"
_STEP, _LONGEST = 0.1, 900


def run(effort: Effort, say: Say) -> list[Figure]:
    """Measure a small and a large database; a tenth as much again is written after the base backup."""
    figures: list[Figure] = []
    for size in effort.of((100, 1000), (20, 40)):
        say(f"{size} MB")
        figures += _measure(size)
    return figures


def _measure(size: int) -> list[Figure]:
    home = Path(tempfile.mkdtemp(prefix="rdv-restore-"))
    try:
        server = start_postgres(home / "postgres")
        try:
            backup, memory = _back_up(home, server, size)
        finally:
            server.stop()
        shutil.rmtree(home / "postgres" / "data")
        begun = time.monotonic()
        identities = read_identities(home / "key")
        done = restore(
            backup_blobs(),
            identities,
            make_plan(backup_blobs(), identities, Wish()),
            home / "postgres" / "data",
        )
        server = start_postgres(home / "postgres", port=server.port)
        try:
            _wait(lambda: _run(server, "SELECT NOT pg_is_in_recovery()")[0][0])
            whole = time.monotonic() - begun
        finally:
            server.stop()
    finally:
        shutil.rmtree(home, ignore_errors=True)
    return [
        Figure(f"{size} MB of rows: base backup, s", backup),
        Figure(f"{size} MB of rows: the backup service's memory at its peak, MB", memory),
        Figure(f"{size} MB of rows: restored (files and log), s", done.seconds),
        Figure(f"{size} MB of rows: log replayed, MB", done.log_bytes / 1e6),
        Figure(f"{size} MB of rows: until it takes writes, s", whole),
    ]


def _back_up(home: Path, server: Postgres, size: int) -> tuple[float, float]:
    """Fill the database, back it up, write more; return how long the base backup took, and the service's memory."""
    private, public = make_key()
    (home / "key").write_text(private)
    os.environ |= {
        "DATABASE_URL": server.url("postgres"), "BACKUP_URL": str(home / "store"), "BACKUP_RECIPIENTS": public,
        "BACKUP_WAL_SECONDS": "1", "APP_ENV": "test", "STATE_DIR": str(home / "state"),
    }  # fmt: skip
    settings.cache_clear()
    _run(server, "CREATE TABLE filler (id bigint, text text)")
    _run(server, _FILL, size * _ROWS_A_MB)
    with (home / "log").open("ab") as sink:
        service = subprocess.Popen([sys.executable, "-m", "deploy.backup", "run"], stdout=sink, stderr=sink)
    try:
        _wait(lambda: read_catalogue(backup_blobs(), Kind.BASE).complete)
        _run(server, _FILL, size * _ROWS_A_MB // 10)
        end = _run(server, "SELECT pg_current_wal_lsn()::text")[0][0]
        _wait(lambda: _run(server, _STORED, end)[0][0])
        memory = _read_peak(service.pid)
    finally:
        stop(service)
    bases = read_catalogue(backup_blobs(), Kind.BASE).complete
    return (bases[0].finished_at - bases[0].started_at).total_seconds(), memory


def _read_peak(process: int) -> float:
    """Return the most memory that a process had, in MB: https://man7.org/linux/man-pages/man5/proc_pid_status.5.html."""
    lines = Path(f"/proc/{process}/status").read_text("ascii").splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM:"))


def _wait(seen: Callable[[], object]) -> None:
    """Wait until something is there.

    Raises:
        TimeoutError: it is not.
    """
    end = time.monotonic() + _LONGEST
    while not seen():
        if time.monotonic() > end:
            raise TimeoutError(f"nothing after {_LONGEST} s")
        time.sleep(_STEP)


def _run(server: Postgres, statement: str, *given: object) -> list[tuple[object, ...]]:
    connection = psycopg2.connect(server.url("postgres").replace("+psycopg2", ""))
    try:
        with connection, connection.cursor() as asked:
            asked.execute(statement, given)
            return asked.fetchall() if asked.description else []
    finally:
        connection.close()
