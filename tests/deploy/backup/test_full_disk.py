"""Disks that are really full: the store's, and PostgreSQL's own. Nothing is lost, and it goes on when there is room."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from deploy.backup.__main__ import main
from deploy.local import postgres
from tests.deploy.backup.conftest import Cluster, bases, service
from tests.small_disk import SmallDisk, small_disk
from tests.waiting import until

pytestmark = [pytest.mark.journey, pytest.mark.processes]
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


@pytest.fixture
def disk(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> Iterator[SmallDisk]:
    """Move the cluster's data to a small disk, and start its server there."""
    cluster.server.stop()
    aside = cluster.folder / "aside"
    cluster.data.rename(aside)
    cluster.data.mkdir()
    with small_disk(cluster.data, 280) as found:
        subprocess.run(["cp", "-a", f"{aside}/.", str(found.path)], check=True)
        found.path.chmod(0o700)
        as_somebody = postgres._as_somebody
        monkeypatch.setattr(postgres, "_as_somebody", lambda folder: [*found.prefix, *as_somebody(folder)])
        cluster.start()
        yield found
        cluster.server.stop()
    monkeypatch.undo()
    shutil.rmtree(cluster.data)
    aside.rename(cluster.data)


def test_a_server_whose_disk_is_full_loses_nothing_that_it_confirmed(
    cluster: Cluster, disk: SmallDisk, tmp_path: Path
) -> None:
    log = tmp_path / "backup.log"
    with service(log):
        until(bases)
        cluster.pay(3)
        disk.fill()
        with pytest.raises(psycopg2.Error):  # its log has no room
            write(cluster, 20)
        disk.make_room()
        if cluster.server.process.poll() is not None:
            cluster.start()
        until(lambda: _takes_writes(cluster))
        cluster.pay(4)
        cluster.stored()
    assert main(["check"]) == 0
    assert cluster.ledger()[0] == 7


def write(cluster: Cluster, tables: int) -> None:
    for number in range(tables):
        cluster.sql(FILL.format(number))


def _takes_writes(cluster: Cluster) -> bool:
    try:
        return not cluster.sql("SELECT pg_is_in_recovery()")[0][0]
    except psycopg2.OperationalError:
        return False
