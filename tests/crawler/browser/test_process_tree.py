"""Process trees of a process that starts and ends others meanwhile."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from crawler.browser import process_tree
from tests.waiting import outlive, until

_BUSY = "while :; do /bin/true & /bin/true & wait; done"


@pytest.fixture
def busy() -> Iterator[int]:
    processes = [subprocess.Popen(["/bin/sh", "-c", _BUSY], start_new_session=True) for _ in range(2)]
    try:
        yield processes[0].pid
    finally:
        for process in processes:
            process_tree.kill(process.pid)
            process.wait()


def test_processes_that_end_while_they_are_looked_at_are_left_out(busy: int) -> None:
    for _ in range(60):
        assert busy in process_tree.tree(os.getpid())
        assert process_tree.proportional(process_tree.tree(busy)) < 50


def test_of_a_process_that_is_gone_nothing_is_held_and_nothing_is_left_to_end() -> None:
    process = subprocess.Popen(["/bin/true"])
    process.wait()
    assert (process_tree.tree(process.pid), process_tree.proportional([process.pid])) == ([process.pid], 0)
    assert process_tree.find_by_environment(f"NOBODY={process.pid}") == []
    process_tree.kill(process.pid)


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
        process_tree.step_back(root.pid)
        assert [os.sched_getscheduler(pid) for pid in found] == [os.SCHED_OTHER, os.SCHED_IDLE]
        assert_least_share_of_its_session(found[1])
    finally:
        process_tree.kill(root.pid)
        root.wait()
    assert outlive(processes) == []
