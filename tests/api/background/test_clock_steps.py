"""A clock that is an hour ahead or back for a while: jobs go on at once, and none is skipped afterwards."""

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
import time_machine

from api.background import jobs
from api.background.schedule import ScheduledJob
from api.background.scheduler import Scheduler
from api.models.job_run import JobResult, JobRun
from configs.ground.clock import clock
from tests.factories import rows

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
MINUTELY = ScheduledJob("minutely", MINUTE)
Play = Callable[[int], list[datetime]]


@pytest.fixture
def play(
    done: list[str], work: Callable[[], int], monkeypatch: pytest.MonkeyPatch, frozen: time_machine.Traveller
) -> Play:
    """Give a function that lets minutes pass; it returns when the job of a minute ran."""
    ran: list[datetime] = []

    def job() -> dict[str, int]:
        ran.append(clock())
        return {"number": 1}

    monkeypatch.setattr(jobs, MINUTELY.name, job, raising=False)
    scheduler = Scheduler([MINUTELY])

    def run(minutes: int) -> list[datetime]:
        ran.clear()
        for _ in range(minutes):
            scheduler.turn()
            work()
            frozen.shift(MINUTE)
        return list(ran)

    return run


@pytest.mark.parametrize("step", [HOUR, -HOUR, timedelta(days=1)])
def test_a_job_of_a_minute_runs_each_minute_whatever_the_clock_does(
    play: Play, frozen: time_machine.Traveller, step: timedelta
) -> None:
    assert len(play(2)) == 2
    frozen.shift(step)
    assert len(play(5)) == 5
    frozen.shift(-step)
    assert len(play(3)) == 3
    frozen.shift(abs(step) - 5 * MINUTE)
    assert len(play(10)) == 10  # over the minutes that the wrong clock has had
    assert {run.result for run in rows(JobRun)} == {JobResult.DONE}


def test_a_run_of_the_future_that_a_worker_holds_is_left_to_its_lease(
    play: Play, frozen: time_machine.Traveller
) -> None:
    play(1)
    frozen.shift(HOUR)
    Scheduler([MINUTELY]).turn()
    frozen.shift(-HOUR)
    assert len(play(3)) == 3
