"""Processes: the one clock, stepped by a file in the sandbox as it is elsewhere; the age of workers; forks."""

import re
import signal
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import redis

from api.jobs import __main__ as background
from api.migrations import __main__ as migrations
from configs.ground.clock import clock, read_offset
from configs.ground.redis import redis_client
from configs.programs.worker_processes import leaves_at
from configs.settings import SettingMissing, SettingsRefused, load, settings
from notifier import workers
from tests.in_turn import in_turn
from tests.notifier.program import Program
from tests.waiting import outlive


@pytest.mark.usefixtures("frozen")
def test_the_clock_is_stepped_by_a_file_and_right_again_without_it(
    settings_env: Callable[..., None], tmp_path: Path
) -> None:
    right, offset = clock(), tmp_path / "offset"
    settings_env(CLOCK_OFFSET_FILE=offset)
    settings()
    assert clock() == right
    for seconds in (86_400, -3_600.5):
        offset.write_text(str(seconds))
        assert clock() - right == timedelta(seconds=seconds)
        assert read_offset(of_database=True) == timedelta(0)
    offset.write_text("60 -3600")
    assert (clock() - right, read_offset(of_database=True)) == (timedelta(minutes=1), timedelta(hours=-1))
    settings_env(CLOCK_OFFSET_FILE="")
    settings()
    assert (clock(), read_offset(of_database=True)) == (right, timedelta(0))


@in_turn("app_env", ["production", "development"])
def test_only_the_sandbox_may_step_its_clock(
    settings_env: Callable[..., None], tmp_path: Path, app_env: str
) -> None:
    settings_env(APP_ENV=app_env, CLOCK_OFFSET_FILE=tmp_path / "offset")
    with pytest.raises(SettingsRefused, match="CLOCK_OFFSET_FILE works only with APP_ENV=sandbox"):
        load()


def test_processes_that_begin_together_leave_at_different_times(settings_env: Callable[..., None]) -> None:
    settings_env(WORKER_AGE_SECONDS="10")
    ages = {(leaves_at() - clock()).total_seconds() for _ in range(20)}
    assert 7.9 < min(ages) < max(ages) <= 10


# A program that cannot start says in words what it lacks

PROGRAMS: dict[str, Callable[[], int]] = {
    "api.migrations": lambda: migrations.main(["upgrade"]),
    "the background program": lambda: background.main([]),
    "the notifier": lambda: workers.main([]),
}


@in_turn("name", PROGRAMS)
def test_what_is_wrong_is_said_and_not_traced(name: str, settings_env: Callable[..., None]) -> None:
    settings_env(PORT="soon")
    with pytest.raises(SystemExit, match=rf"{name} does not start: .*\n? *PORT"):
        PROGRAMS[name]()


# Redis clients of the programs


def test_no_call_waits_for_ever(redis_server: redis.Redis) -> None:
    with redis_client() as client:
        arguments = client.connection_pool.connection_kwargs
    assert 0 < arguments["socket_connect_timeout"] < 10
    assert 0 < arguments["socket_timeout"] < 60


def test_without_an_address_the_variable_is_named(bare: Callable[..., None]) -> None:
    with pytest.raises(SettingMissing, match="REDIS_URL is not set"):
        redis_client()


# A parent and its children as processes; the children are trifles that say what they see

pytestmark = pytest.mark.processes

FAMILY = """
import ctypes, os, random, signal, sys, time
import structlog
from uuid_utils.compat import uuid7
from configs.programs.worker_processes import keep_running
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


@pytest.mark.journey
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


@pytest.mark.journey
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
