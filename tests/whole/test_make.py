"""The commands of the README, as a person types them."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.whole.conftest import STACK_JOURNEY

pytestmark = STACK_JOURNEY
ROOT = Path(__file__).resolve().parents[2]


def environment(state: Path) -> dict[str, str]:
    kept = {
        name: os.environ[name] for name in os.environ if name.startswith(("COV", "PATH", "HOME", "VIRTUAL"))
    }
    return kept | {"STATE_DIR": str(state), "COLUMNS": "200"}


def run(state: Path, *command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, cwd=ROOT, env=environment(state), capture_output=True, text=True, timeout=600
    )


def left_over(state: Path) -> list[str]:
    """Return the command lines of processes that work on this state folder."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("STATE_DIR") == str(state) or str(state) in " ".join(process.cmdline()):
                found.append(" ".join(process.cmdline()))
        except psutil.Error:
            continue
    return found


@pytest.fixture
def state(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "state"
    yield folder
    assert left_over(folder) == []


def test_make_demo_ends_well_with_a_summary(state: Path) -> None:
    done = run(state, "make", "demo", "ARGS=--any-port")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "One alert arrived on all three channels." in done.stdout
    for channel in ("email", "sms", "telegram"):
        assert re.search(rf"{channel} +accepted by \w+, \d+ ms after the page was read", done.stdout)


def test_run_shows_a_feed_holds_its_folder_and_leaves_nothing(state: Path) -> None:
    command = [sys.executable, "-m", "deploy.local", "run", "--any-port"]
    log = state.parent / "log"
    with log.open("wb") as sink:
        first = subprocess.Popen(command, cwd=ROOT, env=environment(state), stdout=sink, stderr=sink)
    try:
        wait_for("check ", log, first)
        second = run(state, *command)
        assert second.returncode == 2
        assert f"in use by process {first.pid}" in " ".join(second.stderr.split())
        status = run(state, "make", "-s", "status")
        assert status.returncode == 0, status.stdout + status.stderr
        assert re.search(r"\bprefenligne\b.{1,60}\bserving\b", " ".join(status.stdout.split()))
        assert "planner" in status.stdout
        assert "down: " not in status.stdout
    finally:
        first.send_signal(signal.SIGINT)
    assert first.wait(300) == 0
    assert "Traceback" not in log.read_text()


def wait_for(text: str, log: Path, process: subprocess.Popen[bytes], seconds: float = 600) -> None:
    end = time.monotonic() + seconds
    while text not in log.read_text():
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < end, log.read_text()
        time.sleep(0.1)
