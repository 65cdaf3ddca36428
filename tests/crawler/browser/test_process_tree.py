"""Process trees of a process that starts and ends others meanwhile."""

import os
import subprocess
from collections.abc import Iterator

import pytest

from crawler.browser import process_tree

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
    assert (
        process_tree.resident(process.pid),
        process_tree.find_by_environment(f"NOBODY={process.pid}"),
    ) == (0, [])
    process_tree.kill(process.pid)
