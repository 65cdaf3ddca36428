"""Faults of backups and restores: nothing half done counts, nothing that was written is lost, and it says what is wrong."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import psycopg2
import pytest

from api.migrations.__main__ import main as migrate
from api.models.revision import expected_revision
from deploy.backup.__main__ import main
from deploy.backup.manifest import Kind, read_catalogue
from deploy.backup.wal_archive import read_archives
from deploy.local.processes import StartFailed
from tests import databases
from tests.deploy.backup.conftest import Cluster, bases, service, store
from tests.small_disk import small_disk
from tests.waiting import ended, until

pytestmark = [pytest.mark.journey, pytest.mark.processes]
_NEXT = """
import sqlalchemy as sa
from alembic import op

revision, down_revision = "9998", "{before}"


def upgrade():
    op.create_table("kept", sa.Column("one", sa.Integer))
"""


def restore(cluster: Cluster, *more: str) -> None:
    assert main(["restore", "--into", str(cluster.data), "--key", str(cluster.key), *more]) == 0


def back_up(cluster: Cluster, log: Path) -> None:
    """Leave a complete backup of a few payments, and the log after it."""
    with service(log):
        cluster.pay(3)
        until(bases)
        cluster.pay(4)
        cluster.stored()


def test_a_store_that_is_away_costs_nothing_once_it_is_back(cluster: Cluster, tmp_path: Path) -> None:
    folder, aside = tmp_path / "store", tmp_path / "aside"
    with service(tmp_path / "backup.log"):
        until(bases)
        folder.rename(aside)
        folder.write_text("a file where the folder was")
        cluster.pay(5)
        until(lambda: cluster.state("wal").get("trouble"))
        assert cluster.state("wal")["trouble"] == "the store of backups takes nothing"
        cluster.pay(5)
        folder.unlink()
        aside.rename(folder)
        cluster.stored()
        until(lambda: cluster.state("wal").get("trouble") is None)
    wanted = cluster.ledger()
    cluster.destroy()
    restore(cluster)
    cluster.start_restored()
    assert cluster.ledger() == wanted


def test_a_server_that_shuts_down_waits_for_no_backup(cluster: Cluster, tmp_path: Path) -> None:
    with service(tmp_path / "backup.log"):
        until(bases)
        cluster.pay(1)
        (tmp_path / "store").rename(tmp_path / "aside")
        (tmp_path / "store").touch()
        cluster.pay(1)
        until(lambda: cluster.state("wal").get("trouble"))
        begun = time.monotonic()
        cluster.server.process.send_signal(signal.SIGINT)
        cluster.server.process.wait(60)
        assert time.monotonic() - begun < 30
        assert cluster.server.process.returncode == 0
        cluster.start()
        (tmp_path / "store").unlink()
        (tmp_path / "aside").rename(tmp_path / "store")
        cluster.stored()


def test_of_two_services_one_streams_and_neither_makes_a_backup_twice(
    cluster: Cluster, tmp_path: Path
) -> None:
    with service(tmp_path / "one.log"), service(tmp_path / "two.log"):
        until(bases)
        until(
            lambda: (
                "is active for PID" in (tmp_path / "one.log").read_text() + (tmp_path / "two.log").read_text()
            )
        )
        cluster.pay(1)
        cluster.stored()
    # both may have found that one was due before it was there; each is whole
    assert 1 <= len(bases()) <= 2
    assert main(["check"]) == 0


def test_a_restore_that_is_killed_leaves_nothing_that_starts(cluster: Cluster, tmp_path: Path) -> None:
    back_up(cluster, tmp_path / "backup.log")
    wanted = cluster.ledger()
    cluster.destroy()
    arguments = ["restore", "--into", str(cluster.data), "--key", str(cluster.key)]
    process = subprocess.Popen([sys.executable, "-m", "deploy.backup", *arguments], env=os.environ)
    until(lambda: (cluster.data / "PG_VERSION").exists() or process.poll() is not None)
    unpacking = psutil.Process(process.pid).children(recursive=True)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    until(lambda: all(map(ended, unpacking)))  # what it had given to tar is still written
    with pytest.raises(SystemExit, match="is not empty, and a restore overwrites nothing"):
        restore(cluster)
    with pytest.raises(StartFailed):
        cluster.start()
    shutil.rmtree(cluster.data)
    restore(cluster)
    cluster.start_restored()
    assert cluster.ledger() == wanted


def test_what_was_restored_is_backed_up_and_restored_again(cluster: Cluster, tmp_path: Path) -> None:
    log = tmp_path / "backup.log"
    back_up(cluster, log)
    middle = cluster.now()
    with service(log):
        cluster.pay(100)
        cluster.stored()
    cluster.destroy()
    restore(cluster, "--to", middle.isoformat())
    cluster.start_restored()
    assert cluster.ledger()[0] == 7
    with service(log):
        until(lambda: any(each.timeline == 2 for each in bases()))
        cluster.pay(2)
        cluster.stored()
    cluster.destroy()
    restore(cluster)
    cluster.start_restored()
    assert cluster.ledger()[0] == 9
    cluster.destroy()
    restore(cluster, "--timeline", "1")
    cluster.start_restored()
    assert cluster.ledger()[0] == 107
    assert main(["list"]) == 0


def test_log_that_the_server_gave_up_is_named_and_a_new_base_is_made(
    cluster: Cluster, tmp_path: Path
) -> None:
    log = tmp_path / "backup.log"
    back_up(cluster, log)
    connection = psycopg2.connect(cluster.server.url("postgres").replace("+psycopg2", ""))
    connection.autocommit = True
    with connection.cursor() as asked:
        asked.execute("ALTER SYSTEM SET max_slot_wal_keep_size = '16MB'")
        asked.execute("ALTER SYSTEM SET max_wal_size = '64MB'")
        asked.execute("SELECT pg_reload_conf()")
        lost = "SELECT wal_status = 'lost' FROM pg_replication_slots"
        for _ in range(20):
            asked.execute("CREATE TABLE filler AS SELECT md5(g::text) FROM generate_series(1, 300000) g")
            asked.execute("DROP TABLE filler")
            asked.execute("CHECKPOINT")
            asked.execute(lost)
            if asked.fetchall()[0][0]:
                break
        assert cluster.sql(lost)[0][0]
    connection.close()
    with service(log):
        until(lambda: len(bases()) > 1)
        cluster.pay(1)
        cluster.stored()
    assert "the server gave up log that was not stored" in log.read_text()
    assert main(["check"]) == 1  # the gap behind the first base
    wanted = cluster.ledger()
    cluster.destroy()
    restore(cluster)
    cluster.start_restored()
    assert cluster.ledger() == wanted


@pytest.fixture
def next_revision(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Add a migration to the code, which makes a table that is called `kept`."""
    folder = tmp_path / "versions"
    folder.mkdir()
    databases.add_revision(monkeypatch, folder, _NEXT.format(before=expected_revision()))


def test_an_old_backup_is_migrated_after_it_was_restored(
    cluster: Cluster, next_revision: None, tmp_path: Path
) -> None:
    back_up(cluster, tmp_path / "backup.log")
    cluster.destroy()
    restore(cluster)
    cluster.start_restored()
    assert migrate(["upgrade", "--without-backup"]) == 0
    cluster.sql("INSERT INTO kept VALUES (1)")
    assert cluster.ledger()[0] == 7
    with service(tmp_path / "backup.log"):
        cluster.pay(1)
        until(lambda: cluster.state("store"))


def test_a_migration_waits_for_its_dump_which_can_be_read(
    cluster: Cluster, next_revision: None, tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    with service(tmp_path / "backup.log"):
        until(lambda: cluster.state("wal").get("finished_at"))
        cluster.sql("CREATE TABLE kept AS SELECT 1 AS one")
        with pytest.raises(SystemExit, match="already exists"):  # of the migration itself, after its dump
            migrate(["upgrade"])
    (dump,) = read_catalogue(store(), Kind.MIGRATION).complete
    assert dump.revision == expected_revision()
    capfdbinary.readouterr()
    assert main(["fetch", dump.folder, "--key", str(cluster.key)]) == 0
    assert capfdbinary.readouterr().out.startswith(b"PGDMP")


@pytest.fixture
def bucket(settings_env: Callable[..., None]) -> Iterator[None]:
    """Lead the backups to a server that speaks S3."""
    import boto3
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    key = {"aws_access_key_id": "tests", "aws_secret_access_key": "tests-secret"}
    client = boto3.client("s3", endpoint_url=f"http://{host}:{port}", region_name="eu-west-3", **key)
    client.create_bucket(Bucket="backups", CreateBucketConfiguration={"LocationConstraint": "eu-west-3"})
    settings_env(
        BACKUP_URL=f"s3://backups/rdv?endpoint=http://{host}:{port}&region=eu-west-3",
        BACKUP_ACCESS_KEY_ID="tests", BACKUP_SECRET_ACCESS_KEY="tests-secret",
    )  # fmt: skip
    yield
    server.stop()


def test_a_bucket_keeps_it_all_too(cluster: Cluster, bucket: None, tmp_path: Path) -> None:
    back_up(cluster, tmp_path / "backup.log")
    assert main(["check"]) == 0
    (archive,) = read_archives(store()).values()
    assert archive.chunks[1]
    assert json.loads(store().get(f"{bases()[-1].folder}/manifest.json"))["kind"] == "base"
    wanted = cluster.ledger()
    cluster.destroy()
    restore(cluster)
    cluster.start_restored()
    assert cluster.ledger() == wanted


# Disks that are really full: the store's, and PostgreSQL's own. Nothing is lost, and it goes on when there is room.


FILL = "CREATE TABLE filler_{} AS SELECT md5(g::text) FROM generate_series(1, 300000) g"


def restore_elsewhere(cluster: Cluster) -> None:
    """Destroy the cluster, restore it, and start it."""
    cluster.destroy()
    assert main(["restore", "--into", str(cluster.data), "--key", str(cluster.key)]) == 0
    cluster.start_restored()


def test_a_store_that_is_full_is_named_and_made_up_for_when_there_is_room(
    cluster: Cluster, tmp_path: Path, settings_env: Any
) -> None:
    log = tmp_path / "backup.log"
    with small_disk(tmp_path / "disk", 300) as disk:
        settings_env(BACKUP_URL=disk.path / "store")
        with service(log):
            until(bases)
            cluster.pay(1)
            cluster.stored()
            disk.fill()
            cluster.pay(5)
            until(lambda: cluster.state("wal").get("trouble"))
            assert cluster.state("wal")["trouble"] == "the store of backups is full"
            kept = cluster.sql("SELECT restart_lsn FROM pg_replication_slots")
            cluster.sql(FILL.format(1))
            assert cluster.sql("SELECT restart_lsn FROM pg_replication_slots") == kept
            disk.make_room()
            cluster.pay(7)
            cluster.stored()
            until(lambda: cluster.state("wal").get("trouble") is None)
        assert "No space left on device: make room there" in log.read_text()
        assert not list((disk.path / "store").rglob("*.part"))
        assert main(["check"]) == 0
        wanted = cluster.ledger()
        restore_elsewhere(cluster)
    assert cluster.ledger() == wanted
    assert wanted[0] == 13
