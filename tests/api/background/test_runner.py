"""A run's lease, its attempts, and what its row says in the end."""

from collections.abc import Callable
from datetime import timedelta
from itertools import pairwise
from uuid import UUID, uuid4

import pytest
import time_machine
from structlog.testing import capture_logs

from api.background import jobs
from api.background.job_store import MOST_ATTEMPTS
from api.background.runner import run_job, warm_up_before_fork
from api.background.scheduler import Scheduler
from api.models.base import engine
from api.models.job_run import JobResult, JobRun
from configs.ground.clock import clock
from tests.api.background.conftest import HOURLY
from tests.factories import add_job_run, change, rows
from tests.waiting import until

Work = Callable[[], int]


@pytest.fixture
def run_id(done: list[str], frozen: time_machine.Traveller) -> UUID:
    """Plan one run and return its id."""
    Scheduler([HOURLY]).turn()
    (run,) = rows(JobRun)
    return UUID(str(run.id))


def fail() -> dict[str, int]:
    raise ValueError("camille@example.org cannot be read")


def test_a_run_says_when_it_began_and_ended_and_what_it_did(run_id: UUID) -> None:
    run_job(str(run_id))
    (run,) = rows(JobRun)
    assert run.started_at == run.ended_at == clock()
    assert (run.result, run.counts, run.error, run.attempts) == (JobResult.DONE, {"number": 1}, None, 1)
    assert (run.lease_token, run.lease_until) == (None, None)


def test_a_run_that_ended_or_does_not_exist_is_not_done_again(run_id: UUID, done: list[str]) -> None:
    for given in (run_id, run_id, uuid4()):
        run_job(str(given))
    assert done == ["hourly"]


def test_no_connection_is_held_while_a_job_works(run_id: UUID, monkeypatch: pytest.MonkeyPatch) -> None:
    held: list[int] = []

    def look() -> dict[str, int]:
        held.append(engine().pool.checkedout())  # type: ignore[attr-defined]
        return {}

    monkeypatch.setattr(jobs, "hourly", look)
    run_job(str(run_id))
    assert held == [0]


def test_a_job_that_fails_is_tried_ever_later_and_then_failed_without_personal_data(
    run_id: UUID, work: Work, frozen: time_machine.Traveller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "hourly", fail)
    scheduler, tries = Scheduler([HOURLY]), list[float]()
    began = clock()
    while not rows(JobRun)[0].ended_at:
        assert clock() - began < timedelta(minutes=30)
        scheduler.turn()
        if work():
            tries.append((clock() - began).total_seconds())
        frozen.shift(1)
    waits = [round(later - earlier) for earlier, later in pairwise(tries)]
    assert waits == [10, 20, 40, 80]
    (run,) = rows(JobRun)
    assert (run.result, run.error, run.attempts) == (JobResult.FAILED, "ValueError", MOST_ATTEMPTS)


def test_a_job_that_succeeds_after_a_failure_keeps_no_error(
    run_id: UUID, work: Work, frozen: time_machine.Traveller, monkeypatch: pytest.MonkeyPatch, done: list[str]
) -> None:
    with monkeypatch.context() as broken:
        broken.setattr(jobs, "hourly", fail)
        work()
    assert rows(JobRun)[0].error == "ValueError"
    frozen.shift(11)
    Scheduler([HOURLY]).turn()
    work()
    (run,) = rows(JobRun)
    assert (run.result, run.error, run.attempts) == (JobResult.DONE, None, 2)


def test_a_job_that_kills_each_worker_is_given_up(run_id: UUID, done: list[str]) -> None:
    change(JobRun, attempts=MOST_ATTEMPTS)
    run_job(str(run_id))
    (run,) = rows(JobRun)
    assert (run.result, run.error, done) == (JobResult.FAILED, "WorkerDied", [])


def test_a_run_that_another_worker_took_over_is_not_ended_by_the_first(
    run_id: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = uuid4()

    def lose() -> dict[str, int]:
        change(JobRun, lease_token=taken)
        return {}

    monkeypatch.setattr(jobs, "hourly", lose)
    with capture_logs() as logs:
        run_job(str(run_id))
    assert rows(JobRun)[0].lease_token == taken
    assert any("another worker has the run" in each["event"] for each in logs)


def test_the_lease_of_a_long_job_is_renewed(
    done: list[str], settings_env: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings_env(JOB_LEASE_SECONDS="0.3")
    Scheduler([HOURLY]).turn()
    (run,) = rows(JobRun)
    leases: set[object] = set()

    def renewed() -> bool:
        leases.add(rows(JobRun)[0].lease_until)
        return len(leases) > 3

    def last() -> dict[str, int]:
        until(renewed)
        return {}

    monkeypatch.setattr(jobs, "hourly", last)
    run_job(str(run.id))
    (run,) = rows(JobRun)
    assert (run.result, run.attempts) == (JobResult.DONE, 1)


def test_a_database_that_is_away_is_one_line_and_the_run_waits(
    run_id: UUID, settings_env: Callable[..., None]
) -> None:
    settings_env(DATABASE_URL="postgresql://nobody@127.0.0.1:1/none")
    with capture_logs() as logs:
        run_job(str(run_id))
    assert [each["event"] for each in logs] == ["database away, the sweep enqueues again"]


@pytest.mark.parametrize("is_away", [False, True])
def test_children_are_forked_without_a_connection(
    database: str, settings_env: Callable[..., None], is_away: bool
) -> None:
    if is_away:
        settings_env(DATABASE_URL="postgresql://nobody@127.0.0.1:1/none")
    with capture_logs() as logs:
        warm_up_before_fork()
    assert engine().pool.checkedin() == 0  # type: ignore[attr-defined]
    assert len(logs) == is_away


def test_runs_that_ended_long_ago_are_dropped(run_id: UUID, frozen: time_machine.Traveller) -> None:
    run_job(str(run_id))
    assert jobs.drop_job_runs() == {"dropped": 0}
    frozen.shift(timedelta(days=91))
    assert jobs.drop_job_runs() == {"dropped": 1}
    assert rows(JobRun) == []


@pytest.mark.parametrize(
    ("counts", "error", "left"),
    [({"users": 0}, None, 0), ({}, None, 0), ({"users": 0, "mails": 2}, None, 1), (None, "ValueError", 1)],
)
def test_a_run_that_changed_nothing_is_dropped_after_three_days(
    run_id: UUID,
    frozen: time_machine.Traveller,
    counts: dict[str, int] | None,
    error: str | None,
    left: int,
) -> None:
    result = JobResult.FAILED if error else JobResult.DONE
    values = {"ended_at": clock(), "result": result, "counts": counts, "error": error}
    change(JobRun, **values)
    frozen.shift(timedelta(days=3))
    assert jobs.drop_job_runs() == {"dropped": 0}
    frozen.shift(1)
    jobs.drop_job_runs()
    assert len(rows(JobRun)) == left


def test_an_open_run_of_a_job_that_is_scheduled_no_more_is_dropped(
    run_id: UUID, frozen: time_machine.Traveller
) -> None:
    frozen.shift(timedelta(days=1))
    assert jobs.drop_job_runs() == {"dropped": 0}
    add_job_run("check_days")
    frozen.shift(timedelta(days=2))
    assert jobs.drop_job_runs() == {"dropped": 1}
    assert [run.job for run in rows(JobRun)] == ["check_days"]
