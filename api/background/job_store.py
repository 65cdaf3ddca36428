"""Rows of job runs: planning them, finding lost ones, their leases and results. Each function is one short statement.

A lease or a wait that reaches further ahead than any is ever granted was written by a clock that was wrong: it is over.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.background.schedule import ScheduledJob
from api.models.base import new_id
from api.models.job_run import JobResult, JobRun
from configs.settings.constants import Constant

# How long a worker owns a job's run without renewing its lease; it renews it three times as often
JOB_LEASE_SECONDS = Constant("JOB_LEASE_SECONDS", 30.0)
# How long a run that was enqueued may be in no queue and with no worker before it is enqueued again
_JOB_NUDGE_SECONDS = Constant("JOB_NUDGE_SECONDS", 2.0)
# First wait before a job that failed is tried again; each further one is twice as long
_JOB_RETRY_SECONDS = Constant("JOB_RETRY_SECONDS", 10.0)
# Time over which jobs of an hour or more that were missed are spread, so that those of a minute come between them
_JOB_SPREAD_SECONDS = Constant("JOB_SPREAD_SECONDS", 60.0)

MOST_ATTEMPTS = 5
CLOCKS_DIFFER = timedelta(seconds=5)  # between machines that keep their time

_OFTEN = timedelta(hours=1)  # jobs of a shorter period are never put off
_AHEAD = timedelta(minutes=1)  # more than the clocks of two schedulers differ
_MISSED = timedelta(minutes=1)  # for a scheduler that lives plans within a second

# A run without a worker is moved to the newest due time: what was missed is made up once.
_PLAN = sa.text("""
WITH wanted AS (SELECT * FROM unnest(
  CAST(:ids AS uuid[]), CAST(:jobs AS text[]), CAST(:due AS timestamptz[]), CAST(:begins AS timestamptz[]))
  AS w (id, job, due_at, begins_at)
), moved AS (
  UPDATE job_runs r SET due_at = w.due_at FROM wanted w
  WHERE r.job = w.job AND r.ended_at IS NULL AND NOT coalesce(r.lease_until BETWEEN :now AND :longest_lease, false)
    AND r.due_at NOT BETWEEN w.due_at AND :near
    AND NOT EXISTS (SELECT FROM job_runs o WHERE o.job = w.job AND o.due_at = w.due_at)
)
INSERT INTO job_runs (id, job, due_at, next_nudge_at) SELECT w.id, w.job, w.due_at, w.begins_at FROM wanted w
WHERE NOT EXISTS (SELECT FROM job_runs r WHERE r.job = w.job AND r.due_at BETWEEN w.due_at AND :near)
ON CONFLICT DO NOTHING RETURNING job
""")


@dataclass(frozen=True, slots=True)
class LostRun:
    """A run that is due and that no worker holds; `nudges` is how often it was enqueued before."""

    id: UUID
    job: str
    nudges: int


@dataclass(frozen=True, slots=True)
class LeasedRun:
    """A run that a worker holds by `token`."""

    id: UUID
    job: str
    token: UUID
    attempts: int


def plan_runs(session: Session, jobs: Iterable[ScheduledJob], now: datetime) -> list[str]:
    """Write a run for each job that is due and has neither run nor is running; return the names of these jobs."""
    jobs = list(jobs)
    _forget_future(session, now)
    due = {job.name: job.find_due_time(now) for job in jobs}
    begins = _spread_missed(jobs, due, now)
    given = {
        "ids": [str(new_id()) for _ in due],
        "jobs": list(due),
        "due": list(due.values()),
        "begins": [begins.get(name, now) for name in due],
    }
    limits = {"now": now, "near": now + CLOCKS_DIFFER, "longest_lease": _find_longest_lease(now)}
    return list(session.scalars(_PLAN, given | limits))


def _forget_future(session: Session, now: datetime) -> None:
    """Delete runs that ended although they are due later: a clock was ahead, and their due time comes again."""
    ahead = sa.delete(JobRun).where(JobRun.due_at > now + _AHEAD, JobRun.ended_at.is_not(None))
    session.execute(ahead, execution_options={"synchronize_session": False})


def _spread_missed(
    jobs: Iterable[ScheduledJob], due: dict[str, datetime], now: datetime
) -> dict[str, datetime]:
    """Return when runs that were missed begin, in the order of the schedule: all at once would keep others waiting.

    The newest due time of most jobs is long ago and has a run: of these nothing is written.
    """
    missed = [job.name for job in jobs if job.period >= _OFTEN and due[job.name] < now - _MISSED]
    step = timedelta(seconds=_JOB_SPREAD_SECONDS()) / max(len(missed), 1)
    return {name: now + number * step for number, name in enumerate(missed)}


def find_lost_runs(session: Session, now: datetime) -> list[LostRun]:
    """Return the runs that are due, that no worker holds, and whose last nudge was some time ago.

    Ids are in the order in which the runs were planned, which is that of the schedule.
    """
    latest = now + _get_longest_wait()
    asked = sa.select(JobRun.id, JobRun.job, JobRun.nudges).where(
        JobRun.ended_at.is_(None),
        _is_free(now),
        (JobRun.next_nudge_at <= now) | (JobRun.next_nudge_at > latest),
    )
    return [LostRun(*row) for row in session.execute(asked.order_by(JobRun.id))]


def count_nudge(session: Session, run: LostRun, now: datetime) -> bool:
    """Note that a run is enqueued again; False where another process has just done that."""
    waits = now + timedelta(seconds=_JOB_NUDGE_SECONDS())
    noted = (
        sa.update(JobRun)
        .where(JobRun.id == run.id, JobRun.nudges == run.nudges, JobRun.ended_at.is_(None))
        .values(nudges=run.nudges + 1, next_nudge_at=waits)
        .returning(JobRun.id)
    )
    return session.scalar(noted) is not None


def take_lease(session: Session, run_id: UUID, now: datetime) -> LeasedRun | None:
    """Take a run; None where it has ended or another worker holds it.

    A run whose workers died MOST_ATTEMPTS times is taken once more, for `attempts` says so.
    """
    token = new_id()
    taken = (
        sa.update(JobRun)
        .where(JobRun.id == run_id, JobRun.ended_at.is_(None), _is_free(now))
        .values(
            lease_token=token,
            lease_until=now + _get_lease(),
            started_at=now,
            attempts=JobRun.attempts + 1,
        )
        .returning(JobRun.job, JobRun.attempts)
    )
    row = session.execute(taken).one_or_none()
    return LeasedRun(run_id, row.job, token, row.attempts) if row else None


def renew_lease(session: Session, run: LeasedRun, now: datetime) -> bool:
    """Hold a run for longer; False where it is another worker's by now."""
    renewed = _update_own(run).values(lease_until=now + _get_lease()).returning(JobRun.id)
    return session.scalar(renewed) is not None


def end_run(
    session: Session, run: LeasedRun, now: datetime, counts: dict[str, int] | None, error: str | None
) -> bool:
    """Write how a run ended: its counts, or its error; False where it is another worker's by now."""
    ended = _update_own(run).values(
        ended_at=now,
        result=JobResult.FAILED if error else JobResult.DONE,
        counts=counts,
        error=error,
        lease_token=None,
        lease_until=None,
    )
    return session.scalar(ended.returning(JobRun.id)) is not None


def retry_run(session: Session, run: LeasedRun, now: datetime, error: str) -> None:
    """Give a run back; it is enqueued again after a wait that doubles with each attempt."""
    wait = timedelta(seconds=_JOB_RETRY_SECONDS() * 2 ** (run.attempts - 1))
    session.execute(
        _update_own(run).values(next_nudge_at=now + wait, error=error, lease_token=None, lease_until=None)
    )


def find_last_due(session: Session, job: str, due: datetime) -> datetime:
    """Return when the run before was due that succeeded: a day before `due` without one, a week at most."""
    before = sa.select(sa.func.max(JobRun.due_at)).where(
        JobRun.job == job, JobRun.result == JobResult.DONE, JobRun.due_at < due
    )
    last = session.scalar(before) or due - timedelta(days=1)
    return max(last, due - timedelta(days=7))


def _update_own(run: LeasedRun) -> sa.Update:
    return sa.update(JobRun).where(JobRun.id == run.id, JobRun.lease_token == run.token)


def _is_free(now: datetime) -> sa.ColumnElement[bool]:
    until = JobRun.lease_until
    return until.is_(None) | (until <= now) | (until > _find_longest_lease(now))


def _get_lease() -> timedelta:
    return timedelta(seconds=JOB_LEASE_SECONDS())


def _find_longest_lease(now: datetime) -> datetime:
    return now + _get_lease() + CLOCKS_DIFFER


def _get_longest_wait() -> timedelta:
    retry = _JOB_RETRY_SECONDS() * 2 ** (MOST_ATTEMPTS - 1)
    return timedelta(seconds=max(_JOB_NUDGE_SECONDS(), retry, _JOB_SPREAD_SECONDS())) + CLOCKS_DIFFER
