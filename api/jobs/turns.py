"""Turns of background jobs: which are due, taking one, and writing how it ended.

An instant that reaches further ahead than any is ever written came from a clock that was wrong: it is over.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from api.jobs.registry import DAY, MINUTE, Counts, Job
from api.models.job import JobState
from configs.settings import Constant

# How long a job may take: then it is ended
_job_longest = Constant("JOB_LONGEST", timedelta(minutes=10))
# The same for jobs that are due each minute, so that one that hangs keeps the others of its queue from little
_job_minute_longest = Constant("JOB_MINUTE_LONGEST", timedelta(minutes=2))
# How long a turn lasts. A worker renews it while it works, so that the job of one that died begins again so soon
job_turn = Constant("JOB_TURN", timedelta(seconds=12))
# First wait before a job that failed is tried again; each further one is twice as long
_job_retry = Constant("JOB_RETRY", timedelta(seconds=10))

MOST_ATTEMPTS = 5
WORKER_DIED = "WorkerDied"
CLOCKS_DIFFER = timedelta(seconds=5)  # between machines that keep their time
_LEFT_AFTER = timedelta(days=2)  # a release may run two versions beside each other


@dataclass(frozen=True, slots=True)
class Turn:
    """A job that this worker has since `started_at`, for the `due_at` that had come."""

    job: Job
    due_at: datetime
    started_at: datetime
    attempt: int


def get_longest(job: Job) -> timedelta:
    """Return how long a job may take."""
    return _job_longest() if job.is_long or job.period > MINUTE else _job_minute_longest()


def add_jobs(session: Session, jobs: Collection[Job], now: datetime) -> None:
    """Write the rows of jobs that have none: they are due now. Rows that no version has any more go."""
    new = [{"name": each.name, "due_at": now} for each in jobs]
    session.execute(insert(JobState).on_conflict_do_nothing(), new)
    left = sa.delete(JobState).where(
        JobState.due_at < now - _LEFT_AFTER, JobState.started_at < now - _LEFT_AFTER
    )
    session.execute(left.where(JobState.name.not_in([each.name for each in jobs])))


def find_due(session: Session, jobs: Iterable[Job], now: datetime) -> tuple[list[Job], datetime | None]:
    """Return the jobs that a worker may take now, and when the next of the others is due, if any is."""
    known = {each.name: each for each in jobs}
    rows = session.scalars(sa.select(JobState).where(JobState.name.in_(known))).all()
    due = {row.name for row in rows if is_free(known[row.name], row, now)}
    later = min((row.free_at for row in rows if row.name not in due), default=None)
    return [each for name, each in known.items() if name in due], later


def is_free(job: Job, row: JobState, now: datetime, *, nudged: bool = False) -> bool:
    """Return whether a worker may take a job now: its turn is over, and it is due or was nudged."""
    if row.turn_ends_at:
        return not now < row.turn_ends_at <= now + job_turn() + CLOCKS_DIFFER
    return nudged or not now < row.due_at <= job.find_next(now + CLOCKS_DIFFER)


def take_turn(session: Session, job: Job, now: datetime, *, nudged: bool = False) -> Turn | None:
    """Take a job until its turn ends; None where another worker has it, or it is not due.

    One whose workers died MOST_ATTEMPTS times has failed until it is due again.
    """
    row = session.get(JobState, job.name, with_for_update={"skip_locked": True})
    if row is None or not is_free(job, row, now, nudged=nudged):
        return None
    row.due_at = job.find_next(now)
    if row.attempts >= MOST_ATTEMPTS:
        _end_failed(row, now, WORKER_DIED)
        return None
    row.started_at, row.turn_ends_at, row.attempts = now, now + job_turn(), row.attempts + 1
    return Turn(job, job.find_due_time(now + CLOCKS_DIFFER), now, row.attempts)


def renew(session: Session, turn: Turn, now: datetime) -> bool:
    """Let a turn last until `job_turn` from now; False where it has ended, or another worker has the job by now."""
    row = _lock_own(session, turn)
    if row:
        row.turn_ends_at = now + job_turn()
    return row is not None


def end_done(session: Session, turn: Turn, now: datetime, counts: Counts) -> bool:
    """Write that a job is done, and what it counted; False where another worker has it by now."""
    row = _lock_own(session, turn)
    if row is None:
        return False
    row.turn_ends_at, row.attempts, row.error = None, 0, None
    row.ended_at, row.counts, row.done_for = now, counts, turn.due_at
    return True


def end_attempt(session: Session, turn: Turn, now: datetime, error: str) -> bool:
    """Give a job that failed back, to be tried again soon, or failed for good; False where another worker has it."""
    row = _lock_own(session, turn)
    if row is None:
        return False
    if turn.attempt >= MOST_ATTEMPTS:
        _end_failed(row, now, error)
    else:
        row.turn_ends_at, row.error = None, error
        row.due_at = min(row.due_at, now + _job_retry() * 2 ** (turn.attempt - 1))
    return True


def find_last_due(session: Session, job: str, due: datetime) -> datetime:
    """Return for when a job was done the last time before `due`: a day before without one, a week at most."""
    last = session.scalar(sa.select(JobState.done_for).where(JobState.name == job, JobState.done_for < due))
    return max(last or due - DAY, due - timedelta(days=7))


def _lock_own(session: Session, turn: Turn) -> JobState | None:
    row = session.get(JobState, turn.job.name, with_for_update=True)
    return row if row and row.turn_ends_at and row.started_at == turn.started_at else None


def _end_failed(row: JobState, now: datetime, error: str) -> None:
    row.turn_ends_at, row.attempts, row.error = None, 0, error
    row.ended_at = row.failed_at = now
