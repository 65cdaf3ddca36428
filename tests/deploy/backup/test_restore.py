"""The restore: a cluster that is destroyed comes back as it was at one second between two payments."""

import re
from pathlib import Path

import pytest

from deploy.backup.__main__ import main
from tests.deploy.backup.conftest import Cluster, bases, service
from tests.waiting import until

pytestmark = [pytest.mark.journey, pytest.mark.processes]


def test_a_destroyed_cluster_comes_back_as_it_was_at_a_second(
    cluster: Cluster, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = tmp_path / "backup.log"
    with service(log):
        cluster.pay(3)
        until(bases)
        cluster.pay(20)
        between = cluster.now()
        cluster.pay(1)
        before = cluster.ledger()
        cluster.stored()
    assert before == (24, 24, 24 * 1499)
    cluster.destroy()

    arguments = [
        "restore",
        "--into",
        str(cluster.data),
        "--key",
        str(cluster.key),
        "--to",
        between.isoformat(),
    ]
    assert main(arguments) == 0
    cluster.start_restored()

    assert cluster.ledger() == (23, 23, 23 * 1499)
    assert re.search(r"restored in \d+\.\d s", capsys.readouterr().out)
    assert not (cluster.data / "restored_wal").exists()
    cluster.pay(1)
    assert cluster.ledger() == before
