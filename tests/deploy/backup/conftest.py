"""A PostgreSQL of its own for tests of backups, which destroy it, and a store on the disk."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from configs.ground.object_store import Blobs, backup_blobs
from deploy.backup.encryption import make_key
from deploy.backup.manifest import Kind, Manifest, read_catalogue
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
