"""The watch: it loads little, has workers come for work, and ends those that hang or grow, with all they started."""

import os
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from configs.proofs import BODY, META
from crawler.browser import process_tree
from crawler.proofs import __main__ as watching
from crawler.proofs.spool import Spool
from crawler.proofs.writer import keep
from tests.crawler.proofs.made import proof
from tests.waiting import outlive, until

# A worker that starts a child in a session of its own, as a browser does, and then does what the test says.
_WORKER = """
    import json, os, subprocess, sys, time
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], start_new_session=True)
    open({noted!r}, "a").write(f"{{os.getpid()}} {{child.pid}}\\n")
    print(json.dumps({{"folder": {folder!r}, "seconds": 0.01}}), flush=True)
    {then}
"""


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Callable[..., str]]:
    """Let one worker do something; return why it was ended."""
    noted = tmp_path / "pids"

    def run(then: str) -> str:
        script = textwrap.dedent(_WORKER.format(noted=str(noted), folder=str(tmp_path), then=then))
        real = subprocess.Popen
        monkeypatch.setattr(subprocess, "Popen", lambda _, **how: real([sys.executable, "-c", script], **how))
        return watching.ProofSupervisor()._work("")[1]

    yield run
    pids = (
        [int(pid) for line in noted.read_text().splitlines() for pid in line.split()]
        if noted.exists()
        else []
    )
    assert outlive(psutil.Process(pid) for pid in pids if psutil.pid_exists(pid)) == []


def test_it_loads_nothing_but_a_little_of_python() -> None:
    code = "import sys, crawler.proofs.__main__; print(sorted(n for n in sys.modules if '.' not in n))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    heavy = {"pydantic", "sqlalchemy", "scrapy", "fsspec", "playwright", "structlog", "configs", "asyncio"}
    assert not heavy & set(eval(found))  # noqa: S307 -- a list that we printed


def test_a_worker_that_says_nothing_is_ended_with_all_that_it_started(
    watch: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "SILENCE", 2.0)
    monkeypatch.setattr(watching, "_GLANCE", 0.1)
    assert watch("time.sleep(60)") == "it said nothing for 2 s"


def test_a_worker_that_grows_is_ended(watch: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "LARGEST", 100)
    monkeypatch.setattr(watching, "_GLANCE", 0.1)
    said = watch("held = bytearray(os.urandom(200_000_000)); time.sleep(60)")
    assert said.startswith("it held ")


def test_a_worker_that_dies_takes_along_what_it_started(watch: Callable[..., str]) -> None:
    assert watch("os.kill(os.getpid(), 9)") == "it was killed by signal 9"


def test_a_worker_that_is_killed_leaves_no_file(
    watch: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (temporary := tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    watch("import tempfile; print(tempfile.mkdtemp(), file=sys.stderr); os.kill(os.getpid(), 9)")
    assert list(temporary.iterdir()) == []


def assert_least_share_of_its_session(pid: int) -> None:
    """Where the kernel shares time among sessions, a session of its own has the nice value 19."""
    share = Path(f"/proc/{pid}/autogroup")
    if share.exists():
        assert share.read_text().split()[-1] == "19"


def test_a_tree_is_a_process_with_its_descendants_whatever_their_group() -> None:
    nested = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'import time; time.sleep(60)'], start_new_session=True)"
    root = subprocess.Popen([sys.executable, "-c", nested])
    try:
        until(lambda: len(process_tree.tree(root.pid)) == 2)
        found = process_tree.tree(root.pid)
        processes = [psutil.Process(pid) for pid in found]
        assert found == [root.pid, *(each.pid for each in psutil.Process(root.pid).children(recursive=True))]
        assert 5 < process_tree.resident(root.pid) < 200
        process_tree.step_back(root.pid)
        assert [os.sched_getscheduler(pid) for pid in found] == [os.SCHED_OTHER, os.SCHED_IDLE]
        assert_least_share_of_its_session(found[1])
    finally:
        process_tree.kill(root.pid)
        root.wait()
    assert outlive(processes) == []


@pytest.mark.journey
@pytest.mark.processes
@pytest.mark.timeout(400)
def test_left_proofs_bring_a_worker_and_a_stop_ends_it(
    source: Spool, settings_env: Callable[..., None]
) -> None:
    settings_env(PROOFS_IDLE_SECONDS="0.2", BROWSER_PATH="/nowhere/to/be/found")
    process = subprocess.Popen([sys.executable, "-m", "crawler.proofs"])
    try:
        kept = source.folder / "kept"
        for number in range(2):
            key = f"2026/11/20/{number:032x}"
            keep(source, proof(key))
            until((kept / key / META).exists)
            assert (kept / key / BODY).exists()
            until(lambda: len(process_tree.tree(process.pid)) == 1)
        assert process_tree.resident(process.pid) < 60  # of it some 20 the settings and Redis, for its report
    finally:
        process.terminate()
        ended = process.wait(60)
    assert ended == 0


def test_a_setting_that_is_wrong_ends_it(settings_env: Callable[..., None]) -> None:
    settings_env(PROOFS_URL="s3://elsewhere")
    assert watching.ProofSupervisor().run() == 2
