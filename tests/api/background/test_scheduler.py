"""The scheduler: a due job is planned once, enqueued until a worker has it, and made up once after an outage."""

import re
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import redis
import time_machine

from api.background import job_store, jobs
from api.background import scheduler as scheduler_module
from api.background.runner import run_job
from api.background.schedule import ScheduledJob, list_jobs
from api.background.scheduler import JOB_SWEEP_SECONDS, Scheduler
from api.models.base import session
from api.models.job_run import JOB_QUEUES, JobResult, JobRun
from configs.ground.clock import clock
from configs.ground.job_queues import queue
from configs.ground.loop_report import BACKGROUND, read_report
from configs.settings import settings
from tests.api.background.conftest import DAILY, HOURLY
from tests.factories import change, rows

NOWHERE = "redis://127.0.0.1:1/0"
NO_DATABASE = "postgresql://nobody@127.0.0.1:1/none"
Work = Callable[[], int]


def waiting() -> list[str]:
    return [str(job.func_name) for name in JOB_QUEUES for job in queue(name).get_jobs()]


def lose_nudges() -> None:
    queue("maintenance").empty()  # type: ignore[no-untyped-call] # RQ's own has no types


def due_times(job: str = "hourly") -> list[datetime]:
    return sorted(run.due_at for run in rows(JobRun) if run.job == job)


def test_every_job_of_the_schedule_exists_and_says_what_it_does() -> None:
    for job in list_jobs():
        assert getattr(jobs, job.name).__doc__
        assert job.queue in JOB_QUEUES
    assert len({job.name for job in list_jobs()}) == len(list_jobs())


def test_the_docs_list_every_job() -> None:
    page = Path(__file__).parents[3] / "docs" / "reference" / "background-jobs.md"
    listed = re.findall(r"^\| `(\w+)` \| .*\| .*\|$", page.read_text().partition("## A run")[0], re.MULTILINE)
    assert sorted(listed) == sorted(job.name for job in list_jobs())


def test_a_job_is_due_at_whole_multiples_of_its_period(frozen: time_machine.Traveller) -> None:
    frozen.move_to("2026-11-20T09:59:59.999+00:00")
    assert HOURLY.find_due_time(clock()) == datetime.fromisoformat("2026-11-20T09:00:00Z")
    assert DAILY.find_due_time(clock()) == datetime.fromisoformat("2026-11-20T00:00:00Z")
    frozen.move_to("2026-11-20T10:00:00+00:00")
    assert HOURLY.find_due_time(clock()) == clock()


def test_each_job_runs_once_in_each_period(
    scheduler: Scheduler, done: list[str], work: Work, frozen: time_machine.Traveller
) -> None:
    for _ in range(5):
        scheduler.turn()
        work()
        frozen.shift(1)
    assert sorted(done) == ["daily", "hourly"]
    frozen.move_to("2026-11-20T10:00:00+00:00")
    scheduler.turn()
    work()
    assert sorted(done) == ["daily", "hourly", "hourly"]
    assert {(run.result, run.attempts) for run in rows(JobRun)} == {(JobResult.DONE, 1)}
    assert [run.counts for run in rows(JobRun) if run.job == "daily"] in ([{"number": 1}], [{"number": 2}])


def test_two_instances_run_each_job_once(done: list[str], work: Work, frozen: time_machine.Traveller) -> None:
    together = threading.Barrier(4)

    def live(_: int) -> None:
        mine = Scheduler([HOURLY, DAILY])
        for _ in range(10):
            together.wait()
            mine.turn()

    with ThreadPoolExecutor(4) as instances:
        list(instances.map(live, range(4)))
    assert sorted(waiting()) == ["api.background.runner.run_job"] * 2
    assert work() == 2
    assert sorted(done) == ["daily", "hourly"]


def test_two_workers_with_the_same_run_do_it_once(
    scheduler: Scheduler, monkeypatch: pytest.MonkeyPatch
) -> None:
    together, ran = threading.Barrier(2, timeout=60), list[int]()

    def job() -> dict[str, int]:
        ran.append(1)
        together.wait()
        return {}

    monkeypatch.setattr(jobs, "hourly", job)
    Scheduler([HOURLY]).turn()
    (run,) = rows(JobRun)
    with ThreadPoolExecutor(3) as workers:
        futures = [workers.submit(run_job, str(run.id)) for _ in range(3)]
        together.wait()
        for each in futures:
            each.result()
    assert ran == [1]
    (run,) = rows(JobRun)
    assert (run.attempts, run.result) == (1, JobResult.DONE)


def test_a_row_whose_nudge_was_lost_is_found_within_five_seconds(
    scheduler: Scheduler,
    done: list[str],
    work: Work,
    redis_server: redis.Redis,
    frozen: time_machine.Traveller,
) -> None:
    scheduler.turn()
    for _ in range(3):  # each of its nudges, not the first one only
        redis_server.flushdb()
        began = clock()
        while not waiting():
            assert clock() - began < timedelta(seconds=5)
            frozen.shift(JOB_SWEEP_SECONDS())
            scheduler.turn()
    work()
    assert sorted(done) == ["daily", "hourly"]


def test_a_run_that_waits_in_its_queue_is_not_enqueued_again(
    scheduler: Scheduler, frozen: time_machine.Traveller
) -> None:
    for _ in range(60):
        scheduler.turn()
        frozen.shift(1)
    assert len(waiting()) == 2


@pytest.mark.parametrize("away", [timedelta(seconds=10), timedelta(minutes=10), timedelta(hours=3)])
def test_jobs_continue_when_redis_is_back_and_make_up_once_what_was_missed(
    away: timedelta,
    done: list[str],
    work: Work,
    settings_env: Callable[..., None],
    frozen: time_machine.Traveller,
) -> None:
    here = settings().require("redis_url")
    settings_env(REDIS_URL=NOWHERE)
    scheduler = Scheduler([HOURLY])
    step = max(timedelta(seconds=1), away / 60)
    end = clock() + away
    while clock() < end:
        scheduler.turn()
        frozen.shift(step)
    assert done == []
    settings_env(REDIS_URL=here)
    for _ in range(6):
        scheduler.turn()
        work()
        frozen.shift(1)
    assert done == ["hourly"]
    assert due_times() == [HOURLY.find_due_time(end)]


def test_jobs_continue_after_five_minutes_without_the_database(
    scheduler: Scheduler,
    done: list[str],
    work: Work,
    settings_env: Callable[..., None],
    frozen: time_machine.Traveller,
) -> None:
    scheduler.turn()
    assert work() == 2
    done.clear()
    here = settings().require("database_url")
    frozen.move_to("2026-11-20T09:58:00+00:00")
    settings_env(DATABASE_URL=NO_DATABASE)
    for _ in range(10):
        scheduler.turn()
        frozen.shift(30)
    server = redis.Redis.from_url(settings().require("redis_url"))
    report = read_report(server, BACKGROUND)
    assert report
    assert set(report.failing.values()) == {"OperationalError"}, "health names it meanwhile"
    settings_env(DATABASE_URL=here)
    scheduler.turn()
    assert (work(), done) == (1, ["hourly"])
    assert (report := read_report(server, BACKGROUND))
    assert report.failing == {}


def test_jobs_continue_when_all_programs_were_down(
    scheduler: Scheduler, done: list[str], work: Work, frozen: time_machine.Traveller
) -> None:
    scheduler.turn()
    work()
    done.clear()
    frozen.shift(timedelta(hours=7))
    for _ in range(3):
        scheduler.turn()
        work()
    assert done == ["hourly"]


def spread(*jobs: ScheduledJob) -> dict[str, float]:
    """Return after how many seconds each job's first run begins."""
    Scheduler(jobs).turn()
    return {run.job: (run.next_nudge_at - clock()).total_seconds() for run in rows(JobRun)}


@pytest.mark.usefixtures("database", "frozen")
def test_what_was_missed_is_spread_in_the_order_of_the_schedule(
    settings_env: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings_env(JOB_SPREAD_SECONDS="60", REDIS_URL=NOWHERE)
    first, minutely = (
        ScheduledJob("first", timedelta(hours=6)),
        ScheduledJob("minutely", timedelta(minutes=1)),
    )
    assert spread(first, DAILY, minutely) == {"first": 0, "daily": 30, "minutely": 0}


@pytest.mark.usefixtures("database")
def test_what_is_due_now_is_not_put_off(
    settings_env: Callable[..., None], frozen: time_machine.Traveller
) -> None:
    settings_env(JOB_SPREAD_SECONDS="60", REDIS_URL=NOWHERE)
    frozen.move_to("2026-11-21T00:00:01+00:00")
    assert spread(HOURLY, DAILY) == {"hourly": 0, "daily": 0}


def test_a_day_without_any_program_is_made_up_once_and_spread(
    done: list[str], work: Work, settings_env: Callable[..., None], frozen: time_machine.Traveller
) -> None:
    scheduler = Scheduler([HOURLY, DAILY])
    scheduler.turn()
    work()
    done.clear()
    settings_env(JOB_SPREAD_SECONDS="60")
    frozen.shift(timedelta(days=1, minutes=30))
    scheduler.turn()
    assert work() == 1
    for _ in range(30):
        frozen.shift(1)
        scheduler.turn()
    assert work() == 1
    assert sorted(done) == ["daily", "hourly"]


STEPS = [
    (job_store, "plan_runs"), (job_store, "find_lost_runs"), (job_store, "count_nudge"), (scheduler_module, "push"),
    (job_store, "take_lease"), (jobs, "hourly"), (job_store, "end_run"),
]  # fmt: skip


@pytest.mark.rule("3.5")
@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("step", STEPS, ids=[name for _, name in STEPS])
def test_a_program_that_is_killed_between_any_two_steps_loses_no_run(
    step: tuple[ModuleType, str], moment: str, done: list[str], work: Work, frozen: time_machine.Traveller
) -> None:
    module, name = step
    real = getattr(module, name)

    def die(*given: Any, **named: Any) -> Any:
        if moment == "after":
            real(*given, **named)
        raise KeyboardInterrupt

    def live() -> None:
        Scheduler([HOURLY]).turn()
        work()

    with pytest.MonkeyPatch.context() as killing:
        killing.setattr(module, name, die)
        with pytest.raises(KeyboardInterrupt):
            live()
    for _ in range(40):
        frozen.shift(1)
        live()
    (run,) = rows(JobRun)
    assert (run.result, run.due_at) == (JobResult.DONE, HOURLY.find_due_time(clock()))
    at_the_end = name == "end_run" or (name == "hourly" and moment == "after")
    assert done == ["hourly"] * (2 if at_the_end else 1)


def test_a_job_that_still_runs_is_not_started_again(
    scheduler: Scheduler, done: list[str], work: Work, frozen: time_machine.Traveller
) -> None:
    scheduler.turn()
    lease = {"lease_token": rows(JobRun)[0].id, "started_at": clock()}
    lose_nudges()
    for _ in range(40):  # over two due times, its lease renewed as by a living worker
        change(JobRun, **lease, lease_until=clock() + timedelta(seconds=30))
        scheduler.turn()
        frozen.shift(300)
    assert work() == 1  # the daily one, enqueued before
    assert len(due_times()) == 1
    change(JobRun, ended_at=clock(), result=JobResult.DONE, lease_token=None, lease_until=None)
    done.clear()
    scheduler.turn()
    work()
    assert done == ["hourly"]


def test_a_run_whose_worker_was_killed_is_enqueued_when_its_lease_is_over(
    done: list[str], work: Work, frozen: time_machine.Traveller
) -> None:
    scheduler = Scheduler([HOURLY])
    scheduler.turn()
    lose_nudges()
    (run,) = rows(JobRun)
    change(JobRun, lease_token=run.id, lease_until=clock() + timedelta(seconds=30), attempts=1)
    frozen.shift(29)
    scheduler.turn()
    assert waiting() == []
    frozen.shift(2)
    scheduler.turn()
    work()
    assert done == ["hourly"]
    assert rows(JobRun)[0].attempts == 2


def test_a_clock_that_was_ahead_by_a_day_keeps_no_job_from_running(
    scheduler: Scheduler, done: list[str], work: Work, frozen: time_machine.Traveller
) -> None:
    right = clock()
    frozen.shift(timedelta(days=1))
    scheduler.turn()
    (hourly,) = [run for run in rows(JobRun) if run.job == "hourly"]
    with session() as s:  # one worker died at it
        run = s.get_one(JobRun, hourly.id)
        run.lease_token, run.lease_until = run.id, clock() + timedelta(seconds=30)
    lose_nudges()
    frozen.move_to(right)
    for _ in range(3):
        scheduler.turn()
        work()
        frozen.shift(1)
    assert sorted(done) == ["daily", "hourly"]
    assert due_times() == [HOURLY.find_due_time(right)]


def test_a_run_of_a_job_that_this_version_does_not_know_is_left_alone(
    done: list[str], work: Work, frozen: time_machine.Traveller
) -> None:
    Scheduler([HOURLY]).turn()
    lose_nudges()
    frozen.shift(60)
    Scheduler([DAILY]).turn()
    work()
    assert done == ["daily"]


def test_the_scheduler_reports_what_fails_and_that_it_works_again(
    scheduler: Scheduler, redis_server: redis.Redis, settings_env: Callable[..., None]
) -> None:
    here = settings().require("database_url")
    settings_env(DATABASE_URL=NO_DATABASE)
    scheduler.turn()
    report = read_report(redis_server, BACKGROUND)
    assert report
    assert report.failing == dict.fromkeys(("planning", "sweep", "payments"), "OperationalError")
    settings_env(DATABASE_URL=here)
    scheduler.turn()
    assert (report := read_report(redis_server, BACKGROUND))
    assert report.failing == {}


def read_since(client: redis.Redis) -> datetime:
    report = read_report(client, BACKGROUND)
    assert report
    assert report.since
    return report.since


def test_the_scheduler_reports_since_when_one_runs_without_a_gap(
    done: list[str], redis_server: redis.Redis, frozen: time_machine.Traveller
) -> None:
    began = clock()
    for _ in range(3):  # a new scheduler each time, as after a crash or a release
        Scheduler([HOURLY]).turn()
        assert read_since(redis_server) == began
        frozen.shift(20)
    redis_server.delete(BACKGROUND)  # as Redis does 45 seconds after the last one
    Scheduler([HOURLY]).turn()
    assert read_since(redis_server) == clock()


def test_a_scheduler_runs_since_now_where_a_clock_was_ahead(
    scheduler: Scheduler, redis_server: redis.Redis, frozen: time_machine.Traveller
) -> None:
    frozen.shift(3600)
    scheduler.turn()
    frozen.shift(-3600)
    scheduler.turn()
    assert read_since(redis_server) == clock()
