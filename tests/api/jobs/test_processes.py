"""`python -m api.jobs` as processes: two beside each other, killed ones, a Redis that restarts; its child that answers Prometheus."""

import signal
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil
import pytest
import redis
import sqlalchemy as sa

from api.jobs.__main__ import CHILDREN
from api.jobs.exporter import build_environment
from api.models.base import engine
from api.models.job import JobResult, JobState
from configs.settings import Settings
from configs.settings.program_settings import list_secrets
from deploy.local.processes import free_port
from deploy.local.valkey import start_valkey
from tests.factories import rows
from tests.notifier.program import Program
from tests.waiting import outlive, until

pytestmark = pytest.mark.processes

SHORT = {"JOB_RETRY": "0.5", "CHECK_DAYS_SECONDS": "1"}
TURN = timedelta(seconds=12)
HELD = sa.and_(JobState.name == "sum_days", JobState.turn_ends_at.is_not(None))  # while a worker has it


@pytest.fixture
def start(
    tmp_path: Path, database: str, redis_server: redis.Redis, settings_env: Callable[..., None]
) -> Iterator[Callable[[], Program]]:
    """Give a function that starts the program, with short periods, and waits until all its children work."""
    settings_env(**SHORT)
    started: list[Program] = []

    def make() -> Program:
        own = [f"--only={each}" for each in CHILDREN]  # without the exporter of metrics, which has one port
        made = Program(tmp_path / f"log-{len(started)}", sys.executable, "-m", "api.jobs", *own)
        started.append(made)
        made.until(lambda: made.said.count(" working ") == 2)
        return made

    yield make
    for each in started:
        children = each.children if each.process.poll() is None else []
        each.kill()
        outlive(children)


def find_end(job: str = "sum_days") -> datetime | None:
    """Return when a job ended well the last time."""
    (row,) = rows(JobState, JobState.name == job) or [JobState()]
    return row.ended_at if row.result is JobResult.DONE else None


def find_child(program: Program, name: str) -> psutil.Process:
    (found,) = [each for each in program.children if each.name() == name]
    return found


@contextmanager
def locked_table() -> Iterator[None]:
    """Keep sum_days, the job, from going on while the block lasts.

    Other jobs that read its table are let by first: each would hold its worker until its statement is cancelled.
    """
    until(lambda: all(each.ended_at for each in rows(JobState)) and find_end())
    apart = sa.create_engine(engine().url, poolclass=sa.NullPool)
    with apart.connect() as connection:
        connection.execute(sa.text("LOCK TABLE check_days IN ACCESS EXCLUSIVE MODE"))
        yield


def find_turn() -> JobState | None:
    """Return the row of sum_days while a worker has it."""
    return next(iter(rows(JobState, HELD)), None)


@pytest.mark.journey
def test_two_instances_have_no_turn_at_once_and_leave_when_asked(start: Callable[[], Program]) -> None:
    both = [start(), start()]
    until(lambda: all(each.ended_at for each in rows(JobState)))
    first = find_end()
    until(lambda: find_end() != first)
    assert {(each.result, each.error) for each in rows(JobState)} == {(JobResult.DONE, None)}
    for each in both:
        assert [child.name() for child in each.children] == ["payments", "maintenance"]
        assert each.ends(signal.SIGTERM) == 0
        assert "Traceback" not in each.said


@pytest.mark.journey
def test_the_parent_holds_nothing_and_its_children_end_with_it(start: Callable[[], Program]) -> None:
    program = start()
    parent = psutil.Process(program.process.pid)
    assert (parent.net_connections(), parent.num_threads()) == ([], 1)
    children = program.children
    program.ends(signal.SIGKILL)
    assert outlive(children) == []


@pytest.mark.rule("3.5")
@pytest.mark.journey
def test_a_worker_that_is_killed_in_the_middle_of_a_job_loses_nothing(start: Callable[[], Program]) -> None:
    program = start()
    with locked_table():
        turn = until(find_turn)
        until(lambda: datetime.now(UTC) > turn.started_at + TURN)
        assert [each.started_at for each in rows(JobState, HELD)] == [turn.started_at], "it was renewed"
        find_child(program, "maintenance").kill()
        killed = datetime.now(UTC)
        again = until(lambda: (found := find_turn()) and found.started_at > turn.started_at and found)
    assert again.started_at - killed < TURN + timedelta(seconds=3)
    until(lambda: (end := find_end()) and end > turn.started_at)
    assert program.ends(signal.SIGTERM) == 0


@pytest.mark.rule("3.5")
@pytest.mark.journey
def test_a_worker_that_stands_still_in_a_job_leaves_it_to_another_and_takes_nothing_back(
    start: Callable[[], Program],
) -> None:
    program = start()
    with locked_table():
        turn = until(find_turn)
        other, still = start(), find_child(program, "maintenance")
        still.suspend()
        stood = datetime.now(UTC)
        again = until(lambda: (found := find_turn()) and found.started_at > turn.started_at and found)
    assert again.started_at - stood < TURN + timedelta(seconds=3)
    still.resume()
    program.until(lambda: "another worker has it" in program.said)
    until(lambda: (end := find_end()) and end > again.started_at)
    assert [each.ends(signal.SIGTERM) for each in (program, other)] == [0, 0]


@pytest.mark.journey
def test_jobs_go_on_without_redis_and_nudges_when_it_is_back(
    start: Callable[[], Program], settings_env: Callable[..., None], tmp_path: Path
) -> None:
    server = start_valkey(tmp_path / "valkey", durable=False)
    try:
        settings_env(REDIS_URL=server.url())
        program = start()
        until(find_end)
        server.stop()
        program.until(lambda: "redis: waits until its server answers" in program.said)
        before = find_end()
        until(lambda: find_end() != before)
        server = start_valkey(tmp_path / "valkey", port=server.port, durable=False)
        program.until(lambda: "redis: works again" in program.said)
        assert program.ends(signal.SIGTERM) == 0
        assert "Traceback" not in program.said
    finally:
        server.stop()


SECRETS = [name.upper() for name in list_secrets(Settings.model_fields)]
OURS = dict.fromkeys(SECRETS, "ours") | {
    "PROGRAM": "background",
    "SECRETS_DIR": "/run/secrets",
    "PORT": "4000",
}


def test_its_environment_has_no_secret_but_the_readers() -> None:
    given = build_environment(
        OURS | {"DATABASE_URL_READER": "reader's", "REDIS_URL_READER": "reader's"}, folder=None
    )
    assert {name: given[name] for name in SECRETS if name in given} == {
        "DATABASE_URL": "reader's",
        "DATABASE_URL_READER": "reader's",
        "REDIS_URL": "reader's",
        "SENTRY_DSN": "ours",
    }
    assert (given["PROGRAM"], given["PORT"]) == ("reader", "4000")


def test_its_secret_files_are_in_a_folder_of_their_own() -> None:
    given = build_environment({"PROGRAM": "background"}, Path("/run/secrets"))
    assert given == {"PROGRAM": "reader", "SECRETS_DIR": "/run/secrets/metrics"}


def test_it_cannot_read_the_secret_files_of_background(tmp_path: Path) -> None:
    (tmp_path / "secrets" / "metrics").mkdir(parents=True)
    (tmp_path / "secrets" / "stripe_secret_key").write_text("sk")
    (tmp_path / "secrets" / "metrics" / "redis_url").write_text("redis://")
    (tmp_path / "beside").write_text("beside")
    names = ("secrets/stripe_secret_key", "secrets/metrics/redis_url", "beside")
    code = (
        "import subprocess, sys, pathlib; from api.jobs.exporter import hide_folder;"
        " folder = pathlib.Path(sys.argv[1], 'secrets'); print(hide_folder(folder, folder / 'metrics'));"
        " [print(subprocess.run(['cat', f'{sys.argv[1]}/{each}'], capture_output=True, text=True).stdout)"
        " for each in sys.argv[2:]]"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, tmp_path, *names], capture_output=True, text=True, check=True
    )
    can, *read = done.stdout.splitlines()
    if can != "True":
        pytest.skip("this kernel has no Landlock")
    assert read == ["", "redis://", "beside"]


@pytest.mark.processes
@pytest.mark.usefixtures("database", "redis_server")
@pytest.mark.journey
def test_it_answers_and_is_started_again(tmp_path: Path, settings_env: Callable[..., None]) -> None:
    port = free_port()
    settings_env(METRICS_PORT=str(port))

    def answers() -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/alive", timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    parent = Program(tmp_path / "log", sys.executable, "-m", "api.jobs", "--only=metrics")
    try:
        until(answers)
        exporter = next(each for each in parent.children if each.name() == "metrics")
        assert exporter.environ()["PROGRAM"] == "reader"
        assert not {name for name in SECRETS if exporter.environ().get(name)} - {
            "DATABASE_URL", "REDIS_URL", "SENTRY_DSN", "DATABASE_URL_READER",
        }  # fmt: skip
        exporter.kill()
        until(lambda: not exporter.is_running() and answers())
    finally:
        parent.kill()
