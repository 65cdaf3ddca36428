"""The step `suite`: the tests once more, on PostgreSQL 16 and Debian's redis-server instead of the embedded ones.

Both are replaced in one run: a run of its own for each would take as long again, and no test depends on which pair
it gets.
"""

import os
import re
import sys
from pathlib import Path

from deploy.drill.machine import find_program, run_checked
from deploy.drill.step import StepFailed, Workplace
from deploy.local.valkey import SERVER
from deploy.postgres_tools import MAJOR

_ROOT = Path(__file__).resolve().parents[2]
_OLDEST = "16"  # the oldest PostgreSQL that is supported; the tests otherwise run on the newest
_LONGEST = 30 * 60  # seconds
_OPTIONS = ("-m", "not journey", "-n", "4", "--dist", "loadgroup", "--reruns", "1")


def run_suite(work: Workplace) -> str:
    """Run the tests that `make test` runs.

    Raises:
        CannotRun: there is no redis-server.
        StepFailed: a test fails, or other servers were used.
    """
    redis = find_program("redis-server", "redis-server")
    environment = os.environ | {MAJOR: _OLDEST, SERVER: redis}
    command = ["nice", "-n", "19", sys.executable, "-m", "pytest", *_OPTIONS]
    log = work.folder / "suite.log"
    output = run_checked(command, cwd=_ROOT, env=environment, seconds=_LONGEST, log=log)
    return f"{read_servers(output)}: {output.strip().splitlines()[-1].strip('= ')}"


def read_servers(output: str) -> str:
    """Return the servers that a run names at its beginning.

    Raises:
        StepFailed: they are not those that were wished.
    """
    found = re.search(r"^servers: (PostgreSQL (\d+)\S*, (\w+) \S+)$", output, re.MULTILINE)
    if not found or found[2] != _OLDEST or found[3] != "redis":
        raise StepFailed(f"the tests ran on {found[1] if found else 'servers that they do not name'}")
    return found[1]
