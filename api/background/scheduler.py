"""Scheduler and sweep of the background jobs: plans what is due, and enqueues what no worker has.

Several may run at once: rows decide which run is whose, and no lock lasts longer than a statement. A run that was just
planned is enqueued in the same way as one whose nudge was lost, so there is one path and it is always in use.
"""

import threading
from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime
from functools import partial

import structlog
from pydantic import ValidationError
from redis.exceptions import RedisError

from api.background import job_store
from api.background.job_store import LostRun
from api.background.schedule import ScheduledJob, list_jobs
from api.models.base import session
from api.models.job_run import PAYMENTS
from api.payments.outbox import has_due_work
from configs.ground.clock import clock
from configs.ground.job_queues import JOB_SECONDS, KEPT_SECONDS, name_job, push, queue, redis
from configs.ground.logs import set_up_logs
from configs.ground.loop_report import BACKGROUND, LoopReport, read_report, write_report
from configs.ground.part_failures import PartFailures
from configs.ground.process_age import on_stop_signals, repeat_until_old
from configs.settings.constants import Constant

# How often the scheduler looks for jobs that are due, and for runs whose nudge was lost
JOB_SWEEP_SECONDS = Constant("JOB_SWEEP_SECONDS", 1.0)

_RUN_JOB = "api.background.runner.run_job"
_WORK_OFF_JOB = "api.payments.jobs.work_off"
_ROUND_KEPT = 10  # seconds

log = structlog.get_logger(__name__)


class Scheduler:
    """Rounds of one process; the table holds everything else."""

    def __init__(self, jobs: Iterable[ScheduledJob] | None = None) -> None:
        self._jobs = {job.name: job for job in (list_jobs() if jobs is None else jobs)}
        self._failures = PartFailures()

    def turn(self) -> None:
        """Plan, then sweep, then report; a part that fails is repeated in the next round."""
        now = clock()
        self._failures.run("planning", partial(self._plan, now))
        self._failures.run("sweep", partial(self._sweep, now))
        self._failures.run("payments", _sweep_payments)
        with suppress(RedisError):  # then the report runs out, and health says so
            report = LoopReport(at=now, failing=self._failures.names(), since=_find_since(now))
            write_report(redis(), report, BACKGROUND)

    def _plan(self, now: datetime) -> None:
        with session() as s:
            planned = job_store.plan_runs(s, self._jobs.values(), now)
        if planned:
            log.info("due", jobs=planned)

    def _sweep(self, now: datetime) -> None:
        with session() as s:
            lost = job_store.find_lost_runs(s, now)
        for run in lost:
            self._enqueue(run, now)

    def _enqueue(self, run: LostRun, now: datetime) -> None:
        """Enqueue a run unless it still waits in its queue, where a busy worker will come to it.

        Runs of jobs that this version does not know are left to one that does.
        """
        job = self._jobs.get(run.job)
        if (
            job is None
            or redis().lpos(queue(job.queue).key, name_job(job.queue, _name_nudge(run))) is not None
        ):
            return
        with session() as s:
            ours = job_store.count_nudge(s, run, now)
        if ours:
            nudge = LostRun(run.id, run.job, run.nudges + 1)
            seconds = round(JOB_SECONDS)
            push(job.queue, _RUN_JOB, (str(run.id),), _name_nudge(nudge), seconds=seconds, kept=KEPT_SECONDS)


def _find_since(now: datetime) -> datetime:
    """Return since when a scheduler reports: crashes and releases leave the report of the one before."""
    try:
        before = read_report(redis(), BACKGROUND)
    except ValidationError:  # the key holds something else, which is overwritten
        return now
    return min(now, before.since or now) if before else now


def _sweep_payments() -> None:
    """Enqueue the work that waits for Stripe, where some is due and no such job waits already."""
    with session() as s:
        due = has_due_work(s)
    if due:
        seconds = round(JOB_SECONDS)
        push(PAYMENTS, _WORK_OFF_JOB, (), _name_round(), seconds=seconds, kept=_ROUND_KEPT)


def _name_round() -> str:
    """Return an id that a job of this moment has: one that died with its worker bars the way for seconds only."""
    return f"work-off-{int(clock().timestamp()) // _ROUND_KEPT}"


def _name_nudge(run: LostRun) -> str:
    return f"run-{run.id}-{run.nudges}"


def main() -> int:
    """Run until SIGTERM, SIGINT or old; return 0."""
    set_up_logs("scheduler")
    stopped = threading.Event()
    on_stop_signals(stopped.set)
    log.info("scheduling", seconds=JOB_SWEEP_SECONDS())
    repeat_until_old(Scheduler().turn, JOB_SWEEP_SECONDS(), stopped)
    return 0
