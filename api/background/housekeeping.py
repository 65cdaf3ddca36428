"""Jobs that keep the database as small and as fast as it should be: days of `checks`, gone slots, runs, statistics."""

from datetime import date, timedelta
from typing import Any, cast

import sqlalchemy as sa
from sqlalchemy.exc import OperationalError

from api.background import planner_statistics
from api.background.check_day_totals import sum_old_day
from api.background.schedule import list_jobs
from api.models import partitions
from api.models.base import session
from api.models.job_run import JobResult, JobRun
from api.retention import gone_slots
from configs.ground.clock import clock
from configs.world.retention import CHECKS_KEPT_FOR

Counts = dict[str, int]
_MOST_DAYS = 7  # dropped in a run: one a day is due
_LOCK_NOT_AVAILABLE = "55P03"
_RUNS_KEPT_FOR = timedelta(days=90)
_IDLE_RUNS_KEPT_FOR = timedelta(days=3)  # of a daily job one at least is left, which health reads
_LEFT_AFTER = timedelta(days=2)  # for a deploy may run two versions beside each other
# One of the counts is not 0.
_HAS_CHANGED = sa.func.jsonb_path_exists(JobRun.counts, sa.literal_column("'$.* ? (@ != 0)'"))


def make_partitions() -> Counts:
    """Make the days of `checks` that are missing, PARTITION_DAYS ahead."""
    with session() as s:
        return {"made": partitions.make_partitions(s, clock().date())}


def drop_partitions() -> Counts:
    """Drop days of `checks` older than CHECKS_KEPT_FOR, one in a transaction; their sums are kept in `check_days`.

    A day that is not wholly summed up is summed up before: the database refuses to drop it otherwise. While somebody
    reads `checks`, as a dump does for hours, the day is left to the next run. A run drops _MOST_DAYS: a clock that is
    far ahead makes all days old, until it is set right.
    """
    before, counts = (clock() - CHECKS_KEPT_FOR()).date(), {"dropped": 0, "summed": 0, "locked": 0}
    while counts["dropped"] < _MOST_DAYS:
        with session() as s:
            oldest = partitions.find_oldest_partition(s)
            if oldest is None or oldest >= before:
                break
            counts["summed"] += sum_old_day(s, oldest)
        if not _drop_day(before, counts):
            break
    return counts


def _drop_day(before: date, counts: Counts) -> bool:
    """Drop the oldest day, and count it; return whether there may be another."""
    try:
        with session() as s:
            dropped = partitions.drop_oldest_partition(s, before)
    except OperationalError as error:
        if getattr(error.orig, "pgcode", None) != _LOCK_NOT_AVAILABLE:
            raise
        counts["locked"] += 1
        return False
    counts["dropped"] += dropped is not None
    return dropped is not None


def drop_gone_slots() -> Counts:
    """Drop slots that are gone for SLOTS_KEPT_FOR, with what announced them; figures of them stay."""
    return {"dropped": gone_slots.drop_gone_slots()}


def analyze_tables() -> Counts:
    """Analyse the tables that changed much, and `checks`, which autovacuum never analyses."""
    return planner_statistics.analyze_tables()


def drop_job_runs() -> Counts:
    """Drop the rows of runs that ended long ago, and open ones of jobs that the schedule no longer has.

    Runs that changed nothing go sooner: a job that is due each minute has 1,440 of them a day.
    """
    now, names = clock(), [job.name for job in list_jobs()]
    is_over = JobRun.ended_at < now - _RUNS_KEPT_FOR
    was_idle = sa.and_(
        JobRun.ended_at < now - _IDLE_RUNS_KEPT_FOR, JobRun.result == JobResult.DONE, sa.not_(_HAS_CHANGED)
    )
    left = sa.and_(JobRun.ended_at.is_(None), JobRun.job.not_in(names), JobRun.due_at < now - _LEFT_AFTER)
    with session() as s:
        dropped = cast("sa.CursorResult[Any]", s.execute(sa.delete(JobRun).where(is_over | was_idle | left)))
        return {"dropped": dropped.rowcount}
