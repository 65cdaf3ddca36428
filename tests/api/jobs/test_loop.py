"""A due job runs once, is tried again when it fails, and is made up once after an outage of anything it needs."""

import threading
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
import redis
import time_machine
from structlog.testing import capture_logs

from api.ground.background_nudges import ask_job
from api.ground.separate_parts import do_each
from api.jobs import __main__ as program
from api.jobs import turns
from api.jobs.__main__ import JobLoop, warm_up
from api.jobs.registry import Job
from api.jobs.schedule import list_jobs
from api.jobs.turns import MOST_ATTEMPTS
from api.models.base import engine, session
from api.models.job import MAINTENANCE, JobResult, JobState
from configs.ground.clock import clock
from configs.programs.loop_report import BACKGROUND, read_report
from configs.settings import settings
from tests.api.jobs.conftest import make_job, note, run_due
from tests.factories import change, one, rows
from tests.waiting import until

NOWHERE = "redis://127.0.0.1:1/0"
NO_DATABASE = "postgresql://nobody@127.0.0.1:1/none"
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
Env = Callable[..., None]

pytestmark = pytest.mark.usefixtures("database", "redis_server", "frozen")


def fail() -> dict[str, int]:
    raise ValueError("camille@example.org cannot be read")


def test_a_job_is_due_at_whole_multiples_of_its_period(
    hourly: Job, daily: Job, frozen: time_machine.Traveller
) -> None:
    frozen.move_to("2026-11-20T09:59:59.999+00:00")
    assert hourly.find_due_time(clock()) == datetime.fromisoformat("2026-11-20T09:00:00Z")
    assert hourly.find_next(clock()) == datetime.fromisoformat("2026-11-20T10:00:00Z")
    assert daily.find_due_time(clock()) == datetime.fromisoformat("2026-11-20T00:00:00Z")
    frozen.move_to("2026-11-20T10:00:00+00:00")
    assert hourly.find_due_time(clock()) == clock()


def test_each_job_runs_once_in_each_period_the_frequent_first(
    done: list[str], hourly: Job, daily: Job, frozen: time_machine.Traveller
) -> None:
    for _ in range(5):
        run_due([daily, hourly])
        frozen.shift(1)
    assert done == ["hourly", "daily"]
    frozen.move_to("2026-11-20T10:00:00+00:00")
    run_due([daily, hourly])
    assert done == ["hourly", "daily", "hourly"]
    state = one(JobState, JobState.name == "hourly")
    assert (state.started_at, state.ended_at, state.done_for) == (clock(),) * 3
    assert (state.result, state.counts, state.error, state.attempts) == (
        JobResult.DONE,
        {"number": 3},
        None,
        0,
    )
    assert (state.turn_ends_at, state.due_at) == (None, clock() + HOUR)


def test_what_was_missed_while_all_programs_were_down_is_made_up_once(
    done: list[str], hourly: Job, frozen: time_machine.Traveller
) -> None:
    run_due([hourly])
    for number, away in enumerate((timedelta(minutes=70), timedelta(hours=3), timedelta(days=7)), 2):
        frozen.shift(away)
        for _ in range(3):
            run_due([hourly])
        assert done == ["hourly"] * number


def test_jobs_run_without_redis_and_do_not_wait_for_it(
    done: list[str], hourly: Job, settings_env: Env
) -> None:
    settings_env(REDIS_URL=NOWHERE)
    run_due([hourly])
    assert done == ["hourly"]


def test_jobs_go_on_when_the_database_is_back(
    done: list[str], hourly: Job, settings_env: Env, frozen: time_machine.Traveller, redis_server: redis.Redis
) -> None:
    run_due([])
    here = settings().require("database_url")
    loop = JobLoop(MAINTENANCE, [hourly])
    settings_env(DATABASE_URL=NO_DATABASE)
    for _ in range(3):
        assert not loop.run_once()
        frozen.shift(15)
    assert (report := read_report(redis_server, BACKGROUND[MAINTENANCE]))
    assert report.failing == {"jobs": "OperationalError"}, "health names it meanwhile"
    settings_env(DATABASE_URL=here)
    with session() as s:
        turns.add_jobs(s, [hourly], clock())
    assert loop.run_once()
    assert done == ["hourly"]
    frozen.shift(15)
    loop.run_once()
    assert (report := read_report(redis_server, BACKGROUND[MAINTENANCE]))
    assert report.failing == {}


def test_a_nudge_runs_a_job_now_and_strange_ones_are_dropped(done: list[str], hourly: Job) -> None:
    run_due([hourly])
    for name in ("hourly", "nothing", "os.system"):
        ask_job(MAINTENANCE, name, "x")
    with capture_logs() as logs:
        run_due([hourly])
    assert done == ["hourly", "hourly"]
    assert [each["name"] for each in logs if each["log_level"] == "error"] == ["nothing", "os.system"]


def test_a_job_that_another_worker_has_is_left_to_it(
    done: list[str], hourly: Job, frozen: time_machine.Traveller
) -> None:
    with session() as s:
        turns.add_jobs(s, [hourly], clock())
    with session() as other:
        assert turns.take_turn(other, hourly, clock())
        with session() as s:  # its row is locked
            assert turns.take_turn(s, hourly, clock()) is None
    ask_job(MAINTENANCE, "hourly")
    run_due([hourly])
    assert done == []
    frozen.shift(11)
    run_due([hourly])
    assert done == []
    frozen.shift(1)  # its worker died: the turn of twelve seconds is over
    run_due([hourly])
    assert done == ["hourly"]


def test_a_turn_is_renewed_until_its_job_ends_and_then_no_more(frozen: time_machine.Traveller) -> None:
    hour = make_job("hour", dict, hours=1)
    with session() as s:
        turns.add_jobs(s, [hour], clock())
        turn = turns.take_turn(s, hour, clock())
    assert turn
    frozen.shift(10)
    with session() as s:
        assert turns.renew(s, turn, clock())
    assert one(JobState).turn_ends_at == clock() + turns.job_turn()
    with session() as s:
        assert turns.end_done(s, turn, clock(), {})
        assert not turns.renew(s, turn, clock())
    assert one(JobState).turn_ends_at is None


def test_a_worker_keeps_its_turn_as_long_as_it_works(
    frozen: time_machine.Traveller, settings_env: Env
) -> None:
    settings_env(JOB_TURN="0.3")

    def work() -> dict[str, int]:
        frozen.shift(60)
        until(lambda: one(JobState).turn_ends_at == clock() + turns.job_turn())
        return {}

    run_due([make_job("long", work, hours=1)])
    state = one(JobState)
    assert (state.result, state.turn_ends_at, state.attempts) == (JobResult.DONE, None, 0)


def test_jobs_of_a_minute_may_take_two_unless_they_work_for_long() -> None:
    jobs = {each.name: each for each in list_jobs()}
    names = ("watch_operations", "issue_invoices", "sync_stuck_payments")
    assert [turns.get_longest(jobs[name]) for name in names] == [2 * MINUTE, 10 * MINUTE, 10 * MINUTE]


@pytest.mark.parametrize("is_told_to_stop", [False, True])
def test_a_job_whose_time_is_up_ends_though_its_parts_go_on_after_errors(
    is_told_to_stop: bool, monkeypatch: pytest.MonkeyPatch, settings_env: Env
) -> None:
    settings_env(JOB_LONGEST="60" if is_told_to_stop else "1")
    monkeypatch.setattr(program, "_STOP_SECONDS", 0.2)
    begun = list[int]()

    def work(number: int) -> None:
        begun.append(number)
        if is_told_to_stop:
            program._stop(threading.Event())
        time.sleep(0.7)

    def run() -> dict[str, int]:
        done, failed = do_each("slow", range(9), work)
        return {"done": done, "failed": failed}

    run_due([make_job("slow", run, hours=1)])
    state = one(JobState)
    assert (state.error, state.ended_at) == ("JobTimeoutException", None), "it is tried again"
    assert begun == ([0] if is_told_to_stop else [0, 1])


def test_no_connection_is_held_while_a_job_works() -> None:
    held: list[int] = []

    def look() -> dict[str, int]:
        held.append(engine().pool.checkedout())  # type: ignore[attr-defined]
        return {}

    run_due([make_job("look", look, hours=1)])
    assert held == [0]


def test_a_job_that_fails_is_tried_ever_later_and_then_failed_without_personal_data(
    frozen: time_machine.Traveller, redis_server: redis.Redis
) -> None:
    broken, tries = make_job("broken", fail, days=1), list[float]()
    began = clock()
    while not rows(JobState) or not one(JobState).ended_at:
        assert clock() - began < timedelta(minutes=30)
        run_due([broken])
        if one(JobState).started_at == clock():
            tries.append((clock() - began).total_seconds())
        frozen.shift(5)
    assert [round(later - earlier) for earlier, later in pairwise(tries)] == [10, 20, 40, 80]
    state = one(JobState)
    assert (state.result, state.error, state.failed_at) == (JobResult.FAILED, "ValueError", state.ended_at)
    assert state.due_at == broken.find_next(clock())


def test_a_job_that_kills_each_worker_is_given_up_until_it_is_due_again(
    done: list[str], hourly: Job, frozen: time_machine.Traveller
) -> None:
    with session() as s:
        turns.add_jobs(s, [hourly], clock())
    change(JobState, attempts=MOST_ATTEMPTS)
    run_due([hourly])
    state = one(JobState)
    assert (state.result, state.error, done) == (JobResult.FAILED, "WorkerDied", [])
    frozen.shift(HOUR)
    run_due([hourly])
    assert done == ["hourly"]


def test_a_job_that_took_longer_than_its_turn_does_not_end_another_workers() -> None:
    taken = clock() + timedelta(seconds=10)

    def lose() -> dict[str, int]:
        change(JobState, started_at=clock() + timedelta(seconds=1), turn_ends_at=taken)
        return {}

    with capture_logs() as logs:
        run_due([make_job("slow", lose, hours=1)])
    assert one(JobState).turn_ends_at == taken
    assert any("another worker has it" in each["event"] for each in logs)


STEPS = ["take_turn", "hourly", "end_done"]


@pytest.mark.rule("3.5")
@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("step", STEPS)
def test_a_program_that_is_killed_between_any_two_steps_loses_no_job(
    step: str, moment: str, done: list[str], hourly: Job, frozen: time_machine.Traveller
) -> None:
    real: Callable[..., Any] = hourly.run if step == "hourly" else getattr(turns, step)

    def die(*given: Any, **named: Any) -> Any:
        if moment == "after":
            real(*given, **named)
        raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as killing:
        if step != "hourly":
            killing.setattr(turns, step, die)
        with pytest.raises(KeyboardInterrupt):
            run_due([make_job("hourly", die, hours=1) if step == "hourly" else hourly])
    for _ in range(22):
        frozen.shift(30)
        run_due([hourly])
    assert one(JobState).result is JobResult.DONE
    assert done == ["hourly"] * (2 if step == "end_done" or (step, moment) == ("hourly", "after") else 1)


def test_a_job_of_a_minute_runs_each_minute_whatever_the_clock_does(
    frozen: time_machine.Traveller, redis_server: redis.Redis
) -> None:
    ran: list[datetime] = []
    minutely = make_job("minutely", note(ran, clock), minutes=1)

    def play(minutes: int) -> int:
        ran.clear()
        for _ in range(minutes):
            run_due([minutely])
            frozen.shift(MINUTE)
        return len(ran)

    for step in (HOUR, -HOUR, DAY):
        assert play(2) == 2
        frozen.shift(step)
        assert play(5) == 5
        frozen.shift(-step)
        assert play(3) == 3


def test_children_are_forked_without_a_connection(settings_env: Env) -> None:
    for is_away in (False, True):
        if is_away:
            settings_env(DATABASE_URL=NO_DATABASE)
        with capture_logs() as logs:
            warm_up()
        assert engine().pool.checkedin() == 0  # type: ignore[attr-defined]
        assert len(logs) == is_away
