"""Only what one supervisor started may be killed: other stacks of this machine run the same programs."""

import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from functools import partial

import psutil
import pytest

from deploy.chaos import processes
from deploy.chaos.journal import OpeningJournal
from deploy.chaos.processes import ChaosProcesses, NobodyThere, until

_NAMED = "import pathlib, time; pathlib.Path('/proc/self/comm').write_text('{}'); time.sleep(100)"
_START = "subprocess.Popen([sys.executable, '-c', {!r}, 'notifier.workers'])"
_CHILDREN = "; ".join(_START.format(_NAMED.format(name)) for name in ("worker-sms", "sweep"))
_PARENT = f"import subprocess, sys, time; {_CHILDREN}; time.sleep(100)"
_SUPERVISOR = f"import subprocess, sys; {_START.format(_PARENT)}.wait()"

pytestmark = pytest.mark.processes


def end(process: psutil.Process) -> None:
    with suppress(psutil.NoSuchProcess):
        process.kill()


def family(supervisor: psutil.Process) -> dict[str, psutil.Process]:
    """Return the programs under a supervisor by name, when all are there."""
    found = {each.name(): each for each in supervisor.children(recursive=True)}
    return found if {"worker-sms", "sweep"} < set(found) else {}


@pytest.fixture
def supervisors() -> Iterator[tuple[psutil.Process, psutil.Process]]:
    with ExitStack() as ends:
        made = []
        for _ in range(2):
            started = subprocess.Popen([sys.executable, "-c", _SUPERVISOR])
            ends.callback(started.wait)
            ends.callback(started.kill)
            made.append(psutil.Process(started.pid))
            until(partial(family, made[-1]), "the supervisor has started all")
            for each in made[-1].children(recursive=True):
                ends.callback(end, each)
        yield made[0], made[1]


def test_a_worker_of_another_stack_is_left_alone(
    supervisors: tuple[psutil.Process, psutil.Process], monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, theirs = supervisors
    victim, journal = family(ours)["worker-sms"], OpeningJournal()
    found = ChaosProcesses(ours.pid, journal)
    assert [each.pid for each in found.all("worker")] == [victim.pid]
    assert found.kill("worker", random.Random(1)) == victim.pid
    assert [(kill.who, kill.pid) for kill in journal.kills] == [("worker", victim.pid)]
    assert family(theirs)
    monkeypatch.setattr(processes, "_PATIENCE", 0.3)
    with pytest.raises(NobodyThere, match="no worker came back"):
        found.kill("worker", random.Random(1))


def test_parent_worker_and_sweep_are_told_apart(supervisors: tuple[psutil.Process, psutil.Process]) -> None:
    supervisor, _ = supervisors
    found = ChaosProcesses(supervisor.pid, OpeningJournal())
    assert found.all("notifier master") == supervisor.children()
    assert [each.name() for each in found.all("worker")] == ["worker-sms"]
    assert [each.name() for each in found.all("sweep")] == ["sweep"]


def test_who_was_asked_instead_of_killed_is_told_apart(
    supervisors: tuple[psutil.Process, psutil.Process],
) -> None:
    journal = OpeningJournal()
    ChaosProcesses(supervisors[0].pid, journal).kill("worker", random.Random(1), signal.SIGTERM)
    assert journal.kills[0].who == "worker (SIGTERM)"


def test_a_moment_that_does_not_come_is_named() -> None:
    with pytest.raises(TimeoutError, match=r"the moon rises: not within 0\.1 s"):
        until(lambda: False, "the moon rises", 0.1)
