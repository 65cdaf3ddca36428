"""Processes are started apart, waited for, and never left behind."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from deploy.local.processes import (
    StartFailed,
    answers,
    free_port,
    is_free,
    start,
    stop,
    tail,
    wait_until,
    with_parent,
)

PYTHON = sys.executable


def test_a_process_that_ends_at_once_is_told_with_its_log(tmp_path: Path) -> None:
    log = tmp_path / "logs" / "x.log"
    process = start([PYTHON, "-c", "print('no licence'); raise SystemExit(3)"], log)
    with pytest.raises(StartFailed, match=r"(?s)it ended with 3.*no licence"):
        wait_until(lambda: False, log, what="it", process=process)


def test_waiting_ends(tmp_path: Path) -> None:
    with pytest.raises(StartFailed, match=r"(?s)it is not ready after 0.05 s.*\(no log\)"):
        wait_until(lambda: False, tmp_path / "none", what="it", seconds=0.05)


def test_stop_asks_first_and_kills_the_deaf(tmp_path: Path) -> None:
    deaf = "import signal,sys; signal.signal(15, signal.SIG_IGN); print('up', flush=True); signal.pause()"
    log = tmp_path / "log"
    process = start([PYTHON, "-c", deaf], log)
    wait_until(lambda: "up" in tail(log), log, what="it", process=process)
    stop(process, seconds=0.1)
    assert process.returncode == -signal.SIGKILL


def test_stopping_twice_is_harmless(tmp_path: Path) -> None:
    process = start([PYTHON, "-c", ""], tmp_path / "log")
    process.wait()
    stop(process)
    assert process.returncode == 0


@pytest.mark.skipif(with_parent(["x"]) == ["x"], reason="no setpriv here: the kernel cannot be asked")
def test_a_child_dies_with_a_parent_that_was_killed(tmp_path: Path) -> None:
    code = (
        "import sys, time\nfrom pathlib import Path\nfrom deploy.local.processes import start, with_parent\n"
        f"child = start(with_parent([{PYTHON!r}, '-c', 'import time; time.sleep(60)']), Path({str(tmp_path / 'log')!r}))\n"
        "print(child.pid, flush=True); time.sleep(60)"
    )
    parent = subprocess.Popen([PYTHON, "-c", code], stdout=subprocess.PIPE, cwd=Path.cwd())
    assert parent.stdout
    child = psutil.Process(int(parent.stdout.readline()))
    parent.kill()
    parent.wait()
    parent.stdout.close()
    assert child.wait(timeout=5) is None or not child.is_running()


def test_ports_are_known_free_or_answering() -> None:
    port = free_port()
    assert is_free("127.0.0.1", port)
    assert not answers("127.0.0.1", port)


def test_a_session_of_its_own_keeps_the_terminal_away(tmp_path: Path) -> None:
    process = start([PYTHON, "-c", "import time; time.sleep(60)"], tmp_path / "log")
    try:
        assert os.getsid(process.pid) == process.pid
    finally:
        stop(process)
