"""Only what one supervisor started may be killed: other stacks of this machine run the same programs."""

import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, suppress

import psutil
import pytest

from deploy.chaos import victims
from deploy.chaos.journal import Journal
from deploy.chaos.victims import NobodyThere, Victims, until

_CHILD = "import time; time.sleep(100)"
_SUPERVISOR = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {_CHILD!r}, 'notifier.worker'])"

pytestmark = pytest.mark.processes


def end(process: psutil.Process) -> None:
    with suppress(psutil.NoSuchProcess):
        process.kill()


@pytest.fixture
def supervisors() -> Iterator[tuple[psutil.Process, psutil.Process]]:
    with ExitStack() as ends:
        made = []
        for _ in range(2):
            started = subprocess.Popen([sys.executable, "-c", _SUPERVISOR])
            ends.callback(started.wait)
            ends.callback(started.kill)
            made.append(psutil.Process(started.pid))
            until(made[-1].children, "the supervisor has started its worker")
            ends.callback(end, made[-1].children()[0])
        yield made[0], made[1]


def test_a_worker_of_another_stack_is_left_alone(
    supervisors: tuple[psutil.Process, psutil.Process], monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, theirs = supervisors
    (victim,), journal = ours.children(), Journal()
    found = Victims(ours.pid, journal)
    assert [each.pid for each in found.all("worker")] == [victim.pid]
    assert found.kill("worker", random.Random(1)) == victim.pid
    assert [(kill.who, kill.pid) for kill in journal.kills] == [("worker", victim.pid)]
    assert theirs.children()[0].is_running()
    monkeypatch.setattr(victims, "_PATIENCE", 0.3)
    with pytest.raises(NobodyThere, match="no worker came back"):
        found.kill("worker", random.Random(1))


def test_who_was_asked_instead_of_killed_is_told_apart(
    supervisors: tuple[psutil.Process, psutil.Process],
) -> None:
    journal = Journal()
    Victims(supervisors[0].pid, journal).kill("worker", random.Random(1), signal.SIGTERM)
    assert journal.kills[0].who == "worker (SIGTERM)"


def test_a_moment_that_does_not_come_is_named() -> None:
    with pytest.raises(TimeoutError, match=r"the moon rises: not within 0\.1 s"):
        until(lambda: False, "the moon rises", 0.1)
