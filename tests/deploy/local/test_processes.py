"""Processes are started apart, waited for, and never left behind."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from deploy.local import processes
from deploy.local.processes import (
    StartFailed,
    answers,
    free_port,
    is_free,
    start,
    stop,
    stop_with_descendants,
    tail,
    up,
    wait_until,
    with_parent,
)
from tests.waiting import ended, outlive

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
    log = tmp_path / "log"
    lives = "import time; print('it lives', flush=True); time.sleep(60)"
    code = (
        "import time\nfrom pathlib import Path\nfrom deploy.local.processes import start, with_parent\n"
        f"child = start(with_parent([{PYTHON!r}, '-c', {lives!r}]), Path({str(log)!r}))\n"
        "print(child.pid, flush=True); time.sleep(60)"
    )
    parent = subprocess.Popen([PYTHON, "-c", code], stdout=subprocess.PIPE, cwd=Path.cwd())
    assert parent.stdout
    child = psutil.Process(int(parent.stdout.readline()))
    # Before, setpriv may not have asked the kernel yet.
    wait_until(lambda: "it lives" in log.read_text(), log, what="child", process=parent)
    parent.kill()
    parent.wait()
    parent.stdout.close()
    assert outlive([child]) == []


def test_a_server_that_does_not_come_up_is_not_left_behind(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    code = f"import os, time; open({str(pid)!r}, 'w').write(str(os.getpid())); time.sleep(60)"

    def never() -> bool:
        if pid.exists() and pid.read_text():
            raise KeyboardInterrupt
        return False

    with pytest.raises(KeyboardInterrupt):
        up([PYTHON, "-c", code], tmp_path / "log", never, what="it")
    assert not psutil.pid_exists(int(pid.read_text()))


def test_a_probe_that_meets_itself_has_found_nobody_and_keeps_no_port(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with socket.socket() as any_port:
        any_port.bind(("127.0.0.1", 0))
        port = any_port.getsockname()[1]

    class Given(socket.socket):
        """A probe that the kernel gave the very port it asks for."""

        def connect_ex(self, address: object) -> int:
            self.bind(("127.0.0.1", port))
            return super().connect_ex(address)  # type: ignore[arg-type]

    with monkeypatch.context() as patched:
        patched.setattr("deploy.local.processes.socket.socket", Given)
        assert not answers("127.0.0.1", port)
    with socket.socket() as server:  # as gunicorn does, but without SO_REUSEADDR
        server.bind(("127.0.0.1", port))


def test_a_setpriv_that_cannot_ask_the_kernel_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    busybox = tmp_path / "setpriv"
    busybox.write_text("#!/bin/sh\necho unrecognized option >&2; exit 1\n")
    busybox.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    processes._setpriv.cache_clear()
    try:
        assert with_parent(["x"]) == ["x"]
    finally:
        processes._setpriv.cache_clear()


def test_ports_are_known_free_or_answering() -> None:
    port = free_port()
    assert is_free("127.0.0.1", port)
    assert not answers("127.0.0.1", port)


def test_a_free_port_is_given_to_nobody_who_asks_for_any() -> None:
    port = free_port()
    with socket.socket() as any_port, pytest.raises(OSError, match="in use"):
        any_port.bind(("127.0.0.1", port))  # as the kernel looks for one
    with socket.socket() as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind(("127.0.0.1", port))
        server.listen()
        assert answers("127.0.0.1", port)


def test_a_session_of_its_own_keeps_the_terminal_away(tmp_path: Path) -> None:
    process = start([PYTHON, "-c", "import time; time.sleep(60)"], tmp_path / "log")
    try:
        assert os.getsid(process.pid) == process.pid
    finally:
        stop(process)


@pytest.mark.parametrize("is_deaf", [False, True])
def test_a_supervisor_is_ended_with_what_its_programs_left_behind(is_deaf: bool, tmp_path: Path) -> None:
    """As with scrapyd, which ends at once while a spider still waits for its browser."""
    log = tmp_path / "log"
    heard = "signal.SIG_IGN" if is_deaf else "lambda *_: (time.sleep(0.5), sys.exit())"
    spider = (
        f"import signal, sys, time\nsignal.signal(15, {heard})\n"
        "print('spider is up', flush=True)\ntime.sleep(60)"
    )
    code = (
        "import signal, subprocess, sys, time\n"
        f"child = subprocess.Popen([sys.executable, '-c', {spider!r}], start_new_session=True)\n"
        "signal.signal(15, lambda *_: (child.terminate(), sys.exit()))\n"
        "time.sleep(60)"
    )
    supervisor = start([PYTHON, "-c", code], log)
    wait_until(lambda: "spider is up" in tail(log), log, what="it", process=supervisor)
    (left,) = psutil.Process(supervisor.pid).children()
    stop_with_descendants(supervisor, grace=0.2 if is_deaf else 60)
    assert ended(left)
