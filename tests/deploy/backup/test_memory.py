"""Memory of the backups: what one command or the service holds does not grow with what is stored."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.backup.__main__ import main
from tests.deploy.backup.conftest import Cluster, bases, service
from tests.lab.bench.restore import _read_peak
from tests.waiting import until

pytestmark = [pytest.mark.journey, pytest.mark.processes]
# A child's rusage begins with its parent's peak, which is that of whatever tests ran before.
RUN = """
import pathlib, sys
from deploy.backup.__main__ import main
code = main(sys.argv[1:])
print(pathlib.Path("/proc/self/status").read_text())
sys.exit(code)
"""
LIMIT_MB = 400  # the container has 512
FILL = "INSERT INTO filler SELECT %s FROM generate_series(1, 800)"
ROW = os.urandom(1 << 16)  # longer than what gzip looks back on: the store gets as much as is written


def run_measured(*arguments: str) -> int:
    """Run a command, and return the most memory that its process had, in MB."""
    done = subprocess.run(
        [sys.executable, "-c", RUN, *arguments], env=os.environ, capture_output=True, text=True, check=True
    )
    peak = re.search(r"^VmHWM:\s+(\d+) kB$", done.stdout, re.MULTILINE)
    assert peak
    return int(peak[1]) >> 10


def test_a_gigabyte_is_backed_up_and_restored_in_the_memory_of_the_container(
    cluster: Cluster, tmp_path: Path
) -> None:
    cluster.sql("CREATE TABLE filler (bytes bytea)")
    with service(tmp_path / "log") as process:
        until(bases)
        cluster.sql("ALTER TABLE filler ALTER bytes SET STORAGE EXTERNAL")
        for _ in range(11):  # half a gigabyte of log, and as much of rows for the base after it
            cluster.sql(FILL, ROW)
        cluster.stored()
        assert main(["base"]) == 0
        peak = _read_peak(process.pid)
    stored = sum(file.stat().st_size for file in (tmp_path / "store").rglob("*.age"))
    cluster.destroy()
    restored = run_measured("restore", "--into", str(cluster.data), "--key", str(cluster.key))
    cluster.start_restored()
    assert stored > 1 << 30
    assert max(peak, restored) < LIMIT_MB, f"the service took {peak} MB, the restore {restored} MB"
