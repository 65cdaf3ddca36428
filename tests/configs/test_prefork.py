"""A parent and its children as processes; the children are trifles that say what they see."""

import re
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.notifier.program import Program
from tests.waiting import outlive

pytestmark = pytest.mark.processes

FAMILY = """
import os, random, signal, sys, time
import structlog
from uuid_utils.compat import uuid7
from configs.file_watch import NEWER
from configs.process_age import on_stop_signals
from configs.prefork import Prefork

def tell(words):
    os.write(1, words.encode())  # at once, where a print may come in pieces

def say():
    tell(f"lives {random.random()} {uuid7().hex[-12:]}\\n")
    signal.pause()

def leave():
    return 0

def fail():
    raise ValueError("cannot start")

def work():
    ended = []
    on_stop_signals(lambda: ended.append(1))
    tell("lives\\n")
    while not ended:
        time.sleep(0.01)
    tell("left in order\\n")
    return 0

class Watch:
    def run_as_child(self):
        while not os.path.exists(sys.argv[1]):
            time.sleep(0.01)
        os.unlink(sys.argv[1])
        return NEWER

def finish():
    signal.signal(signal.SIGTERM, lambda *_: tell("asked\\n"))
    say()
    return 0

uuid7(), random.random()
structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
children = {each: globals()[each.split("-")[0]] for each in sys.argv[2:]}
sys.exit(Prefork(children, Watch()).run())
"""


@pytest.fixture
def family(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Program]]:
    """Give a function that starts a parent with children of these names; newer files come with the file `newer`."""
    code = tmp_path / "family.py"
    code.write_text(FAMILY)
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    started: list[Program] = []

    def make(*names: str) -> Program:
        started.append(Program(tmp_path / "log", sys.executable, str(code), str(tmp_path / "newer"), *names))
        return started[-1]

    yield make
    for each in started:
        each.kill()


def lives(program: Program, count: int) -> None:
    program.until(lambda: program.said.count("lives") == count)


def test_children_live_each_for_itself_and_end_when_the_parent_is_asked(
    family: Callable[..., Program],
) -> None:
    parent = family("say-1", "say-2", "finish")
    lives(parent, 3)
    drawn, made = zip(*re.findall(r"lives (\S+) ([0-9a-f]{12})", parent.said), strict=True)
    assert len(set(drawn)) == len(set(made)) == 3
    parent.until(lambda: len(parent.children) == 4)  # a child may speak before the parent forks the last one
    killed, *others = parent.children
    parent.until(lambda: others[-1].name() == "files")
    assert [killed.name(), *(each.name() for each in others)] == ["say-1", "say-2", "finish", "files"]
    killed.kill()
    lives(parent, 4)
    assert "how=terminated by SIGKILL" in parent.said.replace("'", "")
    children = parent.children
    assert set(others) < set(children)
    assert parent.ends(signal.SIGTERM) == 0
    assert not any(each.is_running() for each in children)
    assert "asked" in parent.said
    assert "Traceback" not in parent.said


def test_children_end_when_the_parent_is_killed(family: Callable[..., Program]) -> None:
    parent = family("say-1", "say-2")
    lives(parent, 2)
    children = parent.children
    assert parent.ends(signal.SIGKILL) == -signal.SIGKILL
    assert outlive(children) == []


def test_a_child_that_cannot_stay_is_tried_ever_later(family: Callable[..., Program]) -> None:
    parent = family("fail", "leave", "say")
    parent.until(lambda: parent.said.count("cannot start") >= 3 and parent.said.count("child left") >= 3)
    waits = re.findall(r"seconds=(\S+)", parent.said)
    assert sorted(waits[:4]) == ["0.5", "0.5", "1.0", "1.0"]
    assert parent.said.count("lives") == 1


def test_newer_files_are_loaded_beside_the_children_which_then_leave_one_after_the_other(
    family: Callable[..., Program], tmp_path: Path
) -> None:
    parent = family("work-1", "work-2")
    lives(parent, 2)
    before = [each.pid for each in parent.children[:2]]
    (tmp_path / "newer").touch()
    lives(parent, 4)
    assert parent.said.count("loading them") == 1
    assert parent.said.count("left in order") == 2
    first, second = parent.said.index("left in order"), parent.said.rindex("left in order")
    assert first < parent.said.index("child left, the next one starts") < second
    after = {each.name(): each.pid for each in parent.children}
    assert after.keys() == {"work-1", "work-2", "files"}
    assert not set(after.values()) & set(before)
    assert parent.ends(signal.SIGINT) == 0


def test_a_child_that_dies_during_a_renewal_is_not_waited_for(
    family: Callable[..., Program], tmp_path: Path
) -> None:
    parent = family("say-1", "work-2")
    lives(parent, 2)
    (tmp_path / "newer").touch()  # say-1 ends by the signal
    lives(parent, 4)
    assert "how=terminated by SIGUSR1" in parent.said.replace("'", "")
    assert parent.ends(signal.SIGTERM) == 0
