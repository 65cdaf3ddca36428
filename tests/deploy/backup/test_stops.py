"""Ends of the backup program at each step, by SIGTERM and by kill -9; nothing half done counts, nothing is lost."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from deploy.backup.__main__ import main
from deploy.backup.manifest import Kind, read_catalogue
from deploy.local.postgres import start_postgres
from tests.deploy.backup.conftest import Cluster, bases, service, store
from tests.deploy.compose_files import services
from tests.waiting import until

pytestmark = [pytest.mark.journey, pytest.mark.processes]
STOP_SECONDS = int(services()["backup"]["stop_grace_period"].removesuffix("s"))
FILL = "CREATE TABLE filler AS SELECT md5(g::text) || md5((g * 7)::text) AS text FROM generate_series(1, 1000000) g"
# Runs a command whose process dies at one step of storing an object: before it, half-way, behind it.
_DYING = """
import os, sys
from configs.ground.object_store import Blobs
from deploy.backup import object_stream
from deploy.backup.__main__ import main
object_stream.PART_BYTES = 1 << 20
step, where, left = int(sys.argv[1]), sys.argv[2], [0]
put = Blobs.put
def dying_put(self, key, data):
    left[0] += 1
    if left[0] < step:
        return put(self, key, data)
    if where == "half-way":
        path = f"{self._path(key)}.part"
        os.makedirs(os.path.dirname(path), exist_ok=True)
        open(path, "wb").write(data[: len(data) // 2])
    if where == "behind":
        put(self, key, data)
    os._exit(9)
Blobs.put = dying_put
sys.exit(main(sys.argv[3:]))
"""


def die(command: str, step: int, where: str) -> int:
    done = subprocess.run(
        [sys.executable, "-c", _DYING, str(step), where, command], env=os.environ, check=False, timeout=240
    )
    return done.returncode


def test_sigterm_ends_a_base_backup_at_once_and_nothing_of_it_counts(
    cluster: Cluster, tmp_path: Path
) -> None:
    cluster.sql(FILL)
    log = tmp_path / "backup.log"
    with service(log) as process:
        until(lambda: list((tmp_path / "store" / "base").glob("*/000000.age")))
        children = psutil.Process(process.pid).children(recursive=True)
        begun = time.monotonic()
        process.send_signal(signal.SIGTERM)
        assert process.wait(STOP_SECONDS) == 0
        assert time.monotonic() - begun < STOP_SECONDS / 2
    assert children
    assert not [child for child in children if child.is_running()]
    found = read_catalogue(store(), Kind.BASE)
    assert (found.complete, found.unfinished) == ([], [])
    assert "it is made again when the service runs" in log.read_text()
    with service(log):
        until(bases)


def test_sigterm_waits_for_no_store_that_hangs(cluster: Cluster, tmp_path: Path, settings_env: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        settings_env(
            BACKUP_URL=f"s3://backups/rdv?endpoint=http://127.0.0.1:{silent.getsockname()[1]}&region=eu-west-3",
            BACKUP_ACCESS_KEY_ID="tests", BACKUP_SECRET_ACCESS_KEY="tests-secret",
        )  # fmt: skip
        with service(tmp_path / "backup.log") as process:
            cluster.pay(1)
            until(lambda: cluster.sql("SELECT 1 FROM pg_replication_slots"))
            connection, _ = silent.accept()  # it asks the store, which says nothing
            with connection:
                process.send_signal(signal.SIGTERM)
                assert process.wait(STOP_SECONDS) == 1
        assert "stops without waiting longer" in (tmp_path / "backup.log").read_text()


def test_a_dump_that_dies_at_any_step_does_not_count_and_keeps_no_later_one_off(cluster: Cluster) -> None:
    for step in range(1, 5):
        for where in ("before", "half-way"):
            assert die("dump", step, where) == 9
            assert read_catalogue(store(), Kind.DUMP).complete == []
        if step > 1 and die("dump", step, "behind") == 9 and read_catalogue(store(), Kind.DUMP).complete:
            break  # the manifest was its last object
    else:
        pytest.fail("no step was its last")
    assert main(["dump"]) == 0
    assert main(["check"]) == 0


def test_a_base_that_dies_at_any_step_does_not_count(cluster: Cluster, tmp_path: Path) -> None:
    with service(tmp_path / "backup.log"):
        until(bases)
        first = len(bases())
        for step, where in ((1, "before"), (2, "half-way"), (3, "behind")):
            assert die("base", step, where) == 9
            assert len(bases()) == first
        assert main(["base"]) == 0
    assert len(bases()) == first + 1
    assert main(["check"]) == 0


def test_log_that_was_not_confirmed_when_the_service_died_is_stored_again(
    cluster: Cluster, tmp_path: Path
) -> None:
    log = tmp_path / "backup.log"
    with service(log):
        cluster.pay(3)
        until(bases)
        cluster.stored()
    for step, where in ((1, "before"), (1, "half-way"), (1, "behind"), (2, "behind")):
        cluster.pay(2)
        assert die("run", step, where) == 9
    with service(log):
        cluster.pay(1)
        cluster.stored()
    assert main(["check"]) == 0
    wanted = cluster.ledger()
    cluster.destroy()
    assert main(["restore", "--into", str(cluster.data), "--key", str(cluster.key)]) == 0
    cluster.start_restored()
    assert cluster.ledger() == wanted
    assert wanted[0] == 12


def test_a_copy_of_a_server_by_mistake_does_not_mix_its_log_in(
    cluster: Cluster, tmp_path: Path, settings_env: Any
) -> None:
    log = tmp_path / "backup.log"
    with service(log):
        until(bases)
        cluster.stored()
    cluster.server.stop()
    copy = tmp_path / "copy"
    shutil.copytree(cluster.folder, copy)
    cluster.start()
    with service(log):
        cluster.pay(50)
        cluster.stored()
    other = start_postgres(copy)
    try:
        settings_env(DATABASE_URL=other.url("rdv"))
        with service(tmp_path / "other.log"):
            until(lambda: "another copy of it stores its log there" in (tmp_path / "other.log").read_text())
    finally:
        other.stop()
    assert read_catalogue(store(), Kind.BASE).unfinished == []
