"""A PostgreSQL of its own for tests of backups, which destroy it, a store on the disk, and samples made without a server."""

import os
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from threading import Event
from typing import Any

import psycopg2
import pyrage
import pytest
from fsspec.implementations.local import LocalFileSystem
from pyrage.x25519 import Identity

from configs.ground.object_store import Blobs, backup_blobs
from deploy.backup.database import format_lsn
from deploy.backup.encryption import make_key
from deploy.backup.manifest import MANIFEST, Kind, Manifest, make_name, read_catalogue, store_parts
from deploy.backup.wal_archive import SEGMENT, chunk_key, pack, segment_name
from deploy.local.postgres import Postgres, start_postgres
from deploy.local.processes import stop
from tests.conftest import _migrate
from tests.waiting import until

DATABASE = "rdv"
_ORDERS = """
WITH new AS (
  INSERT INTO payments (id, plan, amount_cents) SELECT gen_random_uuid(), 'URGENCE_7J', 1499 FROM generate_series(1, %s)
  RETURNING id
)
INSERT INTO payment_events (id, payment_id, kind, at, recorded_at)
SELECT gen_random_uuid(), id, 'paid', clock_timestamp(), clock_timestamp() FROM new
"""
# What the events say, beside what the payments say.
_LEDGER = """
SELECT count(*), count(*) FILTER (WHERE p.status = 'COMPLETED' AND p.paid_at = e.at), coalesce(sum(p.amount_cents), 0)
FROM payments p LEFT JOIN payment_events e ON e.payment_id = p.id
"""


@dataclass
class Cluster:
    """A server on a folder, which may be destroyed and restored, and the key to its backups."""

    folder: Path
    server: Postgres
    key: Path

    @property
    def data(self) -> Path:
        return self.folder / "data"

    def sql(self, statement: str, *given: Any) -> list[Any]:
        made = psycopg2.connect(self.server.url(DATABASE).replace("+psycopg2", ""))
        try:
            with made, made.cursor() as asked:
                asked.execute(statement, given)
                return asked.fetchall() if asked.description else []
        finally:
            made.close()

    def pay(self, number: int) -> None:
        self.sql(_ORDERS, number)

    def ledger(self) -> tuple[int, int, int]:
        """Return how many payments there are, how many of them agree with their events, and the sum of them all."""
        (row,) = self.sql(_LEDGER)
        return row[0], row[1], row[2]

    def now(self) -> datetime:
        found: datetime = self.sql("SELECT clock_timestamp()")[0][0]
        return found.astimezone(UTC)

    def start(self) -> None:
        self.server = start_postgres(self.folder, port=self.server.port)

    def start_restored(self) -> None:
        """Start the server on what was restored, and wait until it takes writes."""
        self.start()
        until(lambda: not self.sql("SELECT pg_is_in_recovery()")[0][0])

    def destroy(self) -> None:
        self.server.stop()
        subprocess.run(["rm", "-rf", str(self.data)], check=True)

    def state(self, part: str) -> dict[str, Any]:
        """Return what health would read of a part."""
        rows = self.sql("SELECT to_jsonb(b) FROM backup_states b WHERE part = %s", part)
        return dict(rows[0][0]) if rows else {}

    def stored(self) -> str:
        """Write something, and wait until the log of it is stored."""
        self.sql("INSERT INTO incidents SELECT * FROM incidents WHERE false")
        end = self.sql("SELECT pg_current_wal_lsn()::text")[0][0]
        reached = "SELECT restart_lsn + 1 >= %s FROM pg_replication_slots"
        until(lambda: any(row[0] for row in self.sql(reached, end)))
        return str(end)


@pytest.fixture
def cluster(tmp_path: Path, settings_env: Callable[..., None]) -> Iterator[Cluster]:
    """Give a migrated database on a server of its own, and settings that lead its backups to a folder."""
    folder = tmp_path / "postgres"
    server = start_postgres(folder)
    server.create(DATABASE)
    _migrate(server.url(DATABASE))
    private, public = make_key()
    key = tmp_path / "backup.key"
    key.write_text(f"# the only copy\n{private}\n")
    settings_env(
        DATABASE_URL=server.url(DATABASE),
        BACKUP_URL=tmp_path / "store",
        BACKUP_RECIPIENTS=public,
        BACKUP_WAL_SECONDS="0.2",
        BACKUP_LOOK_SECONDS="0.2",
        BACKUP_RETRY_SECONDS="1",
        STATE_DIR=tmp_path / "state",
    )
    made = Cluster(folder, server, key)
    yield made
    made.server.stop()


@contextmanager
def service(log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run the service while the block lasts; killed, unless it was stopped in order."""
    with log.open("ab") as sink:
        process = subprocess.Popen(
            [sys.executable, "-m", "deploy.backup", "run"], stdout=sink, stderr=sink, env=os.environ
        )
    try:
        yield process
    finally:
        stop(process)


def bases() -> list[Manifest]:
    return read_catalogue(store(), Kind.BASE).complete


def store() -> Blobs:
    return backup_blobs()


# Manifests, stores and log, made without a server

NOW = datetime(2026, 11, 22, 9, tzinfo=UTC)
SYSTEM = "7710898950391096437"
KEY: Identity = pyrage.x25519.Identity.generate()
OTHER: Identity = pyrage.x25519.Identity.generate()


def open_folder(path: Path) -> Blobs:
    return Blobs(LocalFileSystem(), str(path), variable="BACKUP_URL")


def describe(days: float = 0, **changes: Any) -> Manifest:
    """Return the manifest of a base backup that is so many days old and took ten minutes."""
    at = NOW - timedelta(days=days)
    fields = {
        "kind": Kind.BASE, "name": make_name(at), "started_at": at, "finished_at": at + timedelta(minutes=10),
        "system": SYSTEM, "timeline": 1, "start_lsn": 2 * SEGMENT + 40, "stop_lsn": 2 * SEGMENT + 80,
        "server": 180004, "revision": "0018", "database_bytes": 1000, "parts": (),
    }  # fmt: skip
    return Manifest(**(fields | changes))


def keep(blobs: Blobs, manifest: Manifest, data: bytes = b"tables") -> Manifest:
    """Store a backup whole, and return its manifest."""
    blocks = (data[at : at + 1000] for at in range(0, len(data), 1000))
    parts = store_parts(blobs, manifest.folder, blocks, [KEY.to_public()], Event())
    made = manifest.model_copy(update={"parts": parts})
    blobs.put(f"{made.folder}/{MANIFEST}", made.model_dump_json().encode())
    return made


def keep_log(blobs: Blobs, start: int, data: bytes, minutes: float = 0, timeline: int = 1) -> str:
    """Store a chunk of log that reaches to so many minutes after NOW; return its key."""
    key = chunk_key(SYSTEM, timeline, start, len(data), NOW + timedelta(minutes=minutes))
    blobs.put(key, pack(key, data, [KEY.to_public()]))
    return key


def pack_base(
    start: int, *, system: str = SYSTEM, timeline: int = 1, more: dict[str, bytes] | None = None
) -> bytes:
    """Return what pg_basebackup writes, with the two files that say which base backup it is."""
    label = (
        f"START WAL LOCATION: {format_lsn(start)} (file {segment_name(timeline, start)})\n"
        f"CHECKPOINT LOCATION: {format_lsn(start + 40)}\nSTART TIMELINE: {timeline}\n"
    )
    control = int(system).to_bytes(8, sys.byteorder) + bytes(500)
    files = {"backup_label": label.encode(), "global/pg_control": control} | (more or {})
    packed = BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            tar.addfile(entry, BytesIO(data))
    return packed.getvalue()
