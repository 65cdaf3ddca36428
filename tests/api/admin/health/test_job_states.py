"""Background jobs in health and in `make status`: degraded at worst, as alerts are delivered without them."""

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
import redis
import time_machine

from api.admin.health.findings import PartFinding, PartState
from api.admin.health.lines import Words, list_lines
from api.admin.health.program_checks import read_job_states
from api.models.job import JobResult
from configs.ground.clock import clock
from configs.ground.loop_report import BACKGROUND, LoopReport, write_report
from tests.api.admin.health.conftest import ask
from tests.factories import add_job

Listen = Callable[..., None]
OK = PartFinding(PartState.OK, "payments and maintenance work")


@pytest.fixture
def listen(database: str, redis_server: redis.Redis, frozen: time_machine.Traveller) -> Listen:
    """Report as the workers do."""

    def register(since: datetime | None = None, **failing: str) -> None:
        for key in BACKGROUND.values():
            write_report(redis_server, LoopReport(at=clock(), since=since, failing=failing), key)

    return register


def ago(seconds: float) -> datetime:
    return clock() - timedelta(seconds=seconds)


def end(job: str = "sum_days", seconds: float = 60, error: str | None = None, **counts: int) -> None:
    result = JobResult.FAILED if error else JobResult.DONE
    add_job(job, result, ago(seconds), error=error, counts=counts or {"days": 1}, due_at=ago(-60))


def said() -> str:
    lines = list_lines("runs", read_job_states(), Words(), 9)
    return "\n".join(" · ".join(piece.text for piece in line) for line in lines)


def test_all_is_well_when_each_worker_reports(listen: Listen) -> None:
    listen()
    end()
    add_job("drop_exports", at=ago(10))
    assert ask("background") == OK


def test_a_worker_that_is_silent_or_fails_in_part_is_named(listen: Listen, redis_server: redis.Redis) -> None:
    listen(jobs="KeyError")
    assert ask("background") == PartFinding(
        PartState.DEGRADED, "parts of the worker of payments fail, its log says why: jobs (KeyError)"
    )
    listen()
    redis_server.delete(BACKGROUND["maintenance"])
    assert ask("background").reason == (
        "the worker of maintenance has not reported lately: is `python -m api.background` running?"
    )


def test_jobs_that_failed_or_are_late_are_named_until_they_work_again(listen: Listen) -> None:
    listen()
    end("drop_exports", 4000, error="ValueError")
    add_job("sum_days", at=ago(301))
    assert ask("background").reason == "drop_exports failed (ValueError); sum_days is 5 min late"
    end("drop_exports")
    assert ask("background").reason == "sum_days is 5 min late"
    end("sum_days")
    assert ask("background") == OK


def test_a_job_that_a_stopped_stack_left_is_late_once_the_workers_ran_for_long_enough(listen: Listen) -> None:
    add_job("sum_days", at=ago(7 * 86400))
    listen(since=ago(300))
    assert ask("background").state is PartState.OK
    listen(since=ago(360))
    assert ask("background").reason == "sum_days is 6 min late"


def test_rows_that_failed_are_named_until_a_run_without_them(listen: Listen) -> None:
    listen()
    end("apply_declarations", 120, failed=2)
    assert ask("background") == PartFinding(
        PartState.DEGRADED, "apply_declarations failed for 2 of its rows, its log says why"
    )
    assert said() == "apply_declarations · ended 2 min ago · done · failed 2"
    end("apply_declarations", failed=0)
    assert ask("background").state is PartState.OK


def test_the_screen_says_how_each_job_ended_and_what_is_due(listen: Listen) -> None:
    assert said() == "none"
    end(seconds=120)
    add_job(
        "drop_exports", JobResult.FAILED, ago(60), error="ValueError", counts={"days": 1}, due_at=ago(30),
        turn_ends_at=ago(-1),
    )  # fmt: skip
    add_job("new", at=ago(30))
    assert said().splitlines() == [
        "drop_exports · ended 60 s ago · failed · ValueError · days 1 · runs",
        "new · due 30 s",
        "well: sum_days",
    ]
