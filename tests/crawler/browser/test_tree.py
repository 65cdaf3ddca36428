"""What a process started, looked at while it starts and ends others."""

import os
import subprocess
from collections.abc import Iterator

import pytest

from crawler.browser import tree

_BUSY = "while :; do /bin/true & /bin/true & wait; done"


@pytest.fixture
def busy() -> Iterator[int]:
    processes = [subprocess.Popen(["/bin/sh", "-c", _BUSY], start_new_session=True) for _ in range(2)]
    try:
        yield processes[0].pid
    finally:
        for process in processes:
            tree.kill(process.pid)
            process.wait()


def test_processes_that_end_while_they_are_looked_at_are_left_out(busy: int) -> None:
    for _ in range(60):
        assert busy in tree.tree(os.getpid())
        assert tree.proportional(tree.tree(busy)) < 50


def test_of_a_process_that_is_gone_nothing_is_held_and_nothing_is_left_to_end() -> None:
    process = subprocess.Popen(["/bin/true"])
    process.wait()
    assert (tree.tree(process.pid), tree.proportional([process.pid])) == ([process.pid], 0)
    assert (tree.resident(process.pid), tree.marked(f"NOBODY={process.pid}")) == (0, [])
    tree.kill(process.pid)
