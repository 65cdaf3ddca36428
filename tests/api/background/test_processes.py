"""`python -m api.background` as processes: two beside each other, killed ones, and a Redis that restarts."""

import signal
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
import redis
import sqlalchemy as sa

from api.background.__main__ import CHILDREN
from api.models.base import engine
from api.models.job_run import JobResult, JobRun
from configs.ground.clock import clock
from deploy.local.valkey import start_valkey
from tests.factories import rows
from tests.notifier.program import Program
from tests.waiting import outlive, until

pytestmark = pytest.mark.processes

SHORT = {
    "JOB_LEASE_SECONDS": "3", "JOB_SWEEP_SECONDS": "0.2", "JOB_NUDGE_SECONDS": "0.5", "JOB_RETRY_SECONDS": "0.5",
    "CHECK_DAYS_SECONDS": "1", "JOB_SPREAD_SECONDS": "0.1",
}  # fmt: skip


@pytest.fixture
def start(
    tmp_path: Path, database: str, redis_server: redis.Redis, settings_env: Callable[..., None]
) -> Iterator[Callable[[], Program]]:
    """Give a function that starts the program, with short periods, and waits until all its children work."""
    settings_env(**SHORT)
    started: list[Program] = []

    def make() -> Program:
        own = [f"--only={each}" for each in CHILDREN]  # without the exporter of metrics, which has one port
        made = Program(tmp_path / f"log-{len(started)}", sys.executable, "-m", "api.background", *own)
        started.append(made)
        made.until(lambda: made.said.count(" working ") == 2 and " scheduling " in made.said)
        return made

    yield make
    for each in started:
        children = each.children if each.process.poll() is None else []
        each.kill()
        outlive(children)


def ended(job: str = "check_days") -> list[JobRun]:
    return [run for run in rows(JobRun) if run.job == job and run.ended_at]


def find_child(program: Program, name: str) -> psutil.Process:
    (found,) = [each for each in program.children if each.name() == name]
    return found


def find_others_due() -> list[JobRun]:
    now = clock()
    return [run for run in rows(JobRun) if run.job != "check_days" and run.due_at <= now and not run.ended_at]


@contextmanager
def locked_table() -> Iterator[None]:
    """Keep check_days, the job, from going on while the block lasts.

    Other jobs that read its table are let by first: each would hold its worker until its statement is cancelled.
    """
    until(lambda: ended("drop_watch_records") and not find_others_due())
    apart = sa.create_engine(engine().url, poolclass=sa.NullPool)
    with apart.connect() as connection:
        connection.execute(sa.text("LOCK TABLE check_days IN ACCESS EXCLUSIVE MODE"))
        yield


def find_run_in_hand() -> JobRun | None:
    return next((run for run in rows(JobRun) if run.job == "check_days" and run.lease_until), None)


@pytest.mark.journey
def test_two_instances_run_each_job_once_and_leave_when_asked(start: Callable[[], Program]) -> None:
    both = [start(), start()]
    until(lambda: len(ended()) >= 4)
    until(lambda: ended("drop_job_runs"))
    assert max(Counter((run.job, run.due_at) for run in rows(JobRun)).values()) == 1
    assert {(run.result, run.attempts) for run in rows(JobRun) if run.ended_at} == {(JobResult.DONE, 1)}
    for each in both:
        assert [child.name() for child in each.children] == ["payments", "maintenance", "scheduler", "files"]
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
def test_a_worker_and_a_scheduler_that_are_killed_in_the_middle_of_a_job_lose_nothing(
    start: Callable[[], Program],
) -> None:
    program = start()
    with locked_table():
        run = until(find_run_in_hand)
        for name in ("maintenance", "scheduler"):
            find_child(program, name).kill()
        until(lambda: (again := find_run_in_hand()) and again.id == run.id and again.attempts >= 2)
    until(lambda: any(each.id == run.id for each in ended()))
    assert {each.result for each in ended()} == {JobResult.DONE}
    assert program.ends(signal.SIGTERM) == 0


@pytest.mark.journey
def test_a_program_that_is_killed_in_the_middle_of_a_job_is_continued_by_the_next(
    start: Callable[[], Program],
) -> None:
    program = start()
    with locked_table():
        run = until(find_run_in_hand)
        program.ends(signal.SIGKILL)
        start()
    until(lambda: any(each.id == run.id for each in ended()))


@pytest.mark.journey
def test_jobs_continue_after_a_restart_of_redis(
    start: Callable[[], Program], settings_env: Callable[..., None], tmp_path: Path
) -> None:
    server = start_valkey(tmp_path / "valkey", durable=False)
    try:
        settings_env(REDIS_URL=server.url())
        program = start()
        until(ended)
        server.stop()
        program.until(lambda: "edis away" in program.said or "could not connect" in program.said)
        server = start_valkey(tmp_path / "valkey", port=server.port, durable=False)
        before = len(ended())
        until(lambda: len(ended()) > before)
        assert program.ends(signal.SIGTERM) == 0
        assert "Traceback" not in program.said
    finally:
        server.stop()
