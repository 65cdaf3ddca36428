"""Background jobs in health and in `make status`: degraded at worst, as alerts are delivered without them."""

from collections.abc import Callable
from datetime import datetime, timedelta
from itertools import count
from typing import Any
from uuid import UUID

import pytest
import redis
import time_machine
from rq import Queue, SimpleWorker

from api.admin.health.findings import PartFinding, PartState
from api.admin.health.job_runs import read_job_runs
from api.admin.health.lines import Words, list_lines
from api.models.base import new_id
from api.models.job_run import JOB_QUEUES, JobResult, JobRun
from api.paging import first_id_at
from configs.ground.clock import clock
from configs.ground.loop_report import BACKGROUND, LoopReport, write_report
from tests.api.admin.health.conftest import ask
from tests.factories import save

Listen = Callable[..., None]
_numbers = count()


@pytest.fixture
def listen(database: str, redis_server: redis.Redis, frozen: time_machine.Traveller) -> Listen:
    """Report as the scheduler does, and register a worker for these queues."""

    def register(*queues: str, since: datetime | None = None, **failing: str) -> None:
        write_report(redis_server, LoopReport(at=clock(), since=since, failing=failing), BACKGROUND)
        worker = SimpleWorker(
            [Queue(name, connection=redis_server) for name in queues], connection=redis_server
        )
        worker.register_birth()  # type: ignore[no-untyped-call]  # RQ has no types here

    return register


def ago(seconds: float) -> datetime:
    return clock() - timedelta(seconds=seconds)


def keep(job: str = "check_days", due: float = 0, planned: float | None = None, **columns: Any) -> None:
    """Write a run that was due so many seconds ago, and planned then or `planned` seconds ago."""
    first = first_id_at(ago(due if planned is None else planned))
    run_id = UUID(int=first.int + next(_numbers))  # several may be planned at once
    save(JobRun(id=run_id, job=job, due_at=ago(due), next_nudge_at=clock(), **columns))


def end(job: str = "check_days", due: float = 60, error: str | None = None, **counts: int) -> None:
    result = JobResult.FAILED if error else JobResult.DONE
    keep(job, due, ended_at=ago(due), result=result, error=error, counts=counts or {"days": 1})


def said() -> str:
    lines = list_lines("runs", read_job_runs(), Words(), 9)
    return "\n".join(" · ".join(piece.text for piece in line) for line in lines)


def test_all_is_well_when_the_scheduler_reports_and_each_queue_has_a_worker(
    listen: Listen, redis_server: redis.Redis
) -> None:
    listen(*JOB_QUEUES)
    end()
    keep(due=10)
    assert ask("background") == PartFinding(PartState.OK, "payments: 1, maintenance: 1")


def test_a_scheduler_that_is_silent_or_fails_in_part_is_named(
    listen: Listen, redis_server: redis.Redis
) -> None:
    listen(*JOB_QUEUES, planning="KeyError")
    assert ask("background") == PartFinding(
        PartState.DEGRADED, "parts of the scheduler fail, its log says why: planning (KeyError)"
    )
    redis_server.delete(BACKGROUND)
    assert "python -m api.background" in ask("background").reason


def test_a_queue_without_a_worker_is_named(listen: Listen, redis_server: redis.Redis) -> None:
    listen("payments")
    assert ask("background") == PartFinding(PartState.DEGRADED, "no worker listens to maintenance")


def test_jobs_that_failed_or_are_late_are_named_until_they_work_again(
    listen: Listen, redis_server: redis.Redis
) -> None:
    listen(*JOB_QUEUES)
    end("drop_job_runs", 4000, error="ValueError")
    keep(due=301)
    assert ask("background").reason == "drop_job_runs failed (ValueError); check_days is 5 min late"
    end("drop_job_runs", 60)
    assert ask("background").reason == "check_days is 5 min late"


HOURS, WEEK = 19 * 3600, 7 * 86400


def test_a_job_that_is_planned_for_the_first_time_is_late_from_then_on(
    listen: Listen, redis_server: redis.Redis
) -> None:
    listen(*JOB_QUEUES)
    keep(due=HOURS, planned=300)
    assert ask("background").state is PartState.OK
    keep("drop_job_runs", due=HOURS, planned=301)
    assert ask("background").reason == "drop_job_runs is 5 min late"


def test_a_run_that_no_worker_takes_is_late_although_it_is_moved_to_the_newest_due_time(
    listen: Listen, redis_server: redis.Redis
) -> None:
    listen(*JOB_QUEUES)
    keep("hold_desks", due=30, planned=600)
    assert ask("background").reason == "hold_desks is 10 min late"


def test_a_run_that_a_stopped_stack_left_is_late_once_the_scheduler_ran_for_long_enough(
    listen: Listen, redis_server: redis.Redis
) -> None:
    keep(due=HOURS, planned=WEEK)
    listen(*JOB_QUEUES, since=ago(300))
    assert ask("background").state is PartState.OK
    listen(*JOB_QUEUES, since=ago(360))
    assert ask("background").reason == "check_days is 6 min late"


def test_a_run_that_a_clock_ahead_planned_is_late_from_its_due_time_on(
    listen: Listen, redis_server: redis.Redis
) -> None:
    listen(*JOB_QUEUES)
    keep(due=360, planned=-HOURS)
    assert ask("background").reason == "check_days is 6 min late"


def test_rows_that_failed_are_named_until_a_run_without_them(
    listen: Listen, redis_server: redis.Redis
) -> None:
    listen(*JOB_QUEUES)
    end("apply_declarations", 120, failed=2)
    assert ask("background") == PartFinding(
        PartState.DEGRADED, "apply_declarations failed for 2 of its rows, its log says why"
    )
    assert said() == "apply_declarations · ended 2 min ago · done · failed 2"
    end("apply_declarations", 60, failed=0)
    assert ask("background").state is PartState.OK


def test_a_long_job_is_not_late(listen: Listen, redis_server: redis.Redis) -> None:
    listen(*JOB_QUEUES)
    keep(due=3000, lease_token=new_id(), lease_until=clock() + timedelta(seconds=1))
    assert ask("background").state is PartState.OK


def test_the_screen_says_how_each_job_ended_and_what_is_due(listen: Listen) -> None:
    assert said() == "none"
    end(due=7200, error="KeyError")
    end(due=120)
    end("drop_job_runs", due=60, error="ValueError")
    keep("drop_job_runs", due=30, lease_token=new_id(), lease_until=clock() + timedelta(seconds=1))
    keep("new", due=30)
    assert said().splitlines() == [
        "drop_job_runs · ended 60 s ago · failed · ValueError · days 1 · due 30 s · runs",
        "new · due 30 s",
        "well: check_days",
    ]


def test_a_run_of_long_ago_is_no_news(listen: Listen, redis_server: redis.Redis) -> None:
    listen(*JOB_QUEUES)
    end("gone", due=4 * 86400, error="KeyError")
    assert ask("background").state is PartState.OK
    assert said() == "none"
