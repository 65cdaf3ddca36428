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
import ctypes, os, random, signal, sys, time
import structlog
from uuid_utils.compat import uuid7
from configs.ground.prefork import keep_running
from configs.world.prefecture import reload_desk_files

def tell(words):
    os.write(1, words.encode())  # at once, where a print may come in pieces

def say():
    tell(f"lives {random.random()} {uuid7().hex[-12:]}\\n")
    signal.pause()

def leave():
    return 0

def fail():
    raise ValueError("cannot start")

def orphan():
    if os.fork() == 0:
        time.sleep(0.1)
        tell("left behind\\n")
        os._exit(1)
    return 0

def finish():
    signal.signal(signal.SIGTERM, lambda *_: tell("asked\\n"))
    say()
    return 0

if "orphan" in sys.argv:
    ctypes.CDLL(None).prctl(36, 1)  # PR_SET_CHILD_SUBREAPER
uuid7(), random.random()
structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
children = {each: globals()[each.split("-")[0]] for each in sys.argv[1:]}
sys.exit(keep_running(children, reload_desk_files))
"""


@pytest.fixture
def family(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Program]]:
    """Give a function that starts a parent with children of these names."""
    code = tmp_path / "family.py"
    code.write_text(FAMILY)
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[3]))
    started: list[Program] = []

    def make(*names: str) -> Program:
        started.append(Program(tmp_path / "log", sys.executable, str(code), *names))
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
    killed, *others = parent.children
    assert [killed.name(), *(each.name() for each in others)] == ["say-1", "say-2", "finish"]
    killed.kill()
    lives(parent, 4)
    assert "how=terminated by SIGKILL" in parent.said.replace("'", "")
    children = parent.children
    assert set(others) < set(children)
    assert parent.ends(signal.SIGTERM) == 0
    assert not any(each.is_running() for each in children)
    assert "asked" in parent.said
    assert "Traceback" not in parent.said


def test_sighup_ends_the_parent_only_where_the_desk_files_are_right(
    family: Callable[..., Program], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREFECTURES_DIR", str(folder))
    (folder / "wrong_93.yaml").write_text("name: [")
    parent = family("say-1")
    lives(parent, 1)
    parent.process.send_signal(signal.SIGHUP)
    parent.until(lambda: "the desk files are refused" in parent.said)
    assert parent.process.poll() is None
    (folder / "wrong_93.yaml").unlink()
    assert parent.ends(signal.SIGHUP) == 0


def test_children_end_when_the_parent_is_killed(family: Callable[..., Program]) -> None:
    parent = family("say-1", "say-2")
    lives(parent, 2)
    children = parent.children
    assert parent.ends(signal.SIGKILL) == -signal.SIGKILL
    assert outlive(children) == []


@pytest.mark.journey
def test_a_child_that_cannot_stay_is_tried_ever_later(family: Callable[..., Program]) -> None:
    parent = family("fail", "leave", "say")
    parent.until(lambda: len(re.findall(r"seconds=(\S+)\n", parent.said)) >= 4)
    waits = re.findall(r"seconds=(\S+)", parent.said)
    assert sorted(waits[:4]) == ["0.5", "0.5", "1.0", "1.0"]
    assert parent.said.count("lives") == 1


@pytest.mark.skipif(
    sys.platform != "linux", reason="only Linux gives orphans to another process than the first"
)
@pytest.mark.journey
def test_processes_that_children_leave_behind_stop_nothing(family: Callable[..., Program]) -> None:
    """In a container the parent is the first process, to which orphans fall."""
    parent = family("orphan", "say")
    parent.until(lambda: parent.said.count("left behind") >= 1 and parent.said.count("child left") >= 2)
    assert parent.said.count("lives") == 1
    assert parent.ends(signal.SIGTERM) == 0
    assert "Traceback" not in parent.said
