"""`python -m api.jobs`: a worker for each queue of jobs, and metrics, forked from one warm parent."""

import argparse
import gc
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TypeVar

import structlog
from redis.exceptions import RedisError
from rq.timeouts import JobTimeoutException, UnixSignalDeathPenalty
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.orm import configure_mappers

from api.ground.background_nudges import take_nudge
from api.jobs import exporter, turns
from api.jobs.registry import Job
from api.jobs.schedule import list_jobs
from api.jobs.turns import Turn
from api.models.base import engine, session
from api.models.job import JOB_QUEUES, MAINTENANCE, PAYMENTS
from api.models.key_renewal import note_keys
from api.models.revision import check_tables
from api.payments.exchange import jobs as payments
from configs.ground.clock import clock
from configs.ground.database_errors import passes
from configs.ground.logs import set_up_logs
from configs.ground.redis import redis
from configs.programs.jobs import JOB_SECONDS
from configs.programs.loop_report import BACKGROUND, LoopReport, write_report
from configs.programs.part_failures import PartFailures
from configs.programs.startup import exit_on_config_error
from configs.programs.worker_processes import keep_running, leaves_at, on_stop_signals
from configs.world.prefecture import prefectures, reload_desk_files

_WAIT = 1.0  # seconds for a nudge: so soon a worker sees that it is to stop, and looks for work of Stripe's
_LONGEST_SLEEP = timedelta(seconds=15)  # without a look at the rows, and between two reports
_STOP_SECONDS = 1.5  # for the job in hand

log = structlog.get_logger(__name__)
T = TypeVar("T")
_MAINTENANCE_NICE = 5  # on a busy core: a third of the time that a process of nice value 0 gets


def warm_up() -> None:
    """Build what the first job needs, Stripe's library among it; workers that are forked later find it built."""
    configure_mappers()
    prefectures()  # a child that is forked later must not read newer files than the others
    try:
        engine().connect().close()  # for what SQLAlchemy builds then: children connect for themselves
    except DBAPIError as error:
        if not passes(error):
            raise
        log.warning("database away: each child builds its engine", because=type(error.orig).__name__)
    engine().dispose()


class JobLoop:
    """One worker's rounds; the table `jobs` holds everything else."""

    def __init__(
        self,
        queue: str,
        jobs: Iterable[Job],  # of any queue: those of others are left to their workers
        nudged: Mapping[str, Callable[[str], object]] | None = None,  # what a nudge may name besides jobs
        sweep: Callable[[], None] | None = None,  # done each second
    ) -> None:
        self._queue, self._nudged, self._sweep = queue, nudged or {}, sweep
        # The most frequent first, so that no daily one that was missed keeps those of a minute waiting.
        self._jobs = sorted((each for each in jobs if each.queue == queue), key=lambda each: each.period)
        self._failures = PartFailures()
        self._looks_at = self._reports_at = datetime.min.replace(tzinfo=UTC)

    def run_once(self) -> bool:
        """Follow a nudge, or else sweep, and run the first job that is due; return whether there was any.

        Where the rows say that nothing is due, a nudge is waited for, a second at most.
        """
        if _has_come(self._reports_at):
            self._report(_LONGEST_SLEEP)
        looks = _has_come(self._looks_at)
        if found := self._take_nudge(0.0 if looks else _WAIT):
            self._failures.run("nudges", partial(self._follow, *found))
            return True
        if self._sweep:
            self._failures.run("payments", partial(_limit, JOB_SECONDS, self._sweep))
        return bool(looks and self._failures.run("jobs", self._run_first_due))

    def _take_nudge(self, seconds: float) -> tuple[str, str] | None:
        begun = time.monotonic()
        found = self._failures.run("redis", partial(take_nudge, self._queue, seconds))
        if found is None and "redis" in self._failures.names():
            time.sleep(max(0.0, seconds - (time.monotonic() - begun)))
        return found

    def _follow(self, name: str, argument: str) -> None:
        """Do what a nudge names; an unknown name is logged and dropped."""
        if name in self._nudged:
            _limit(JOB_SECONDS, partial(self._nudged[name], argument))
            return
        job = next((each for each in self._jobs if each.name == name), None)
        if job is None:
            log.error("a nudge names no job", queue=self._queue, name=name[:100])
            return
        with session() as s:
            turn = turns.take_turn(s, job, clock(), nudged=True)
        if turn:
            self._do(turn)

    def _run_first_due(self) -> bool:
        now = clock()
        self._looks_at = now + timedelta(seconds=_WAIT)  # also where the database is away
        with session() as s:
            due, later = turns.find_due(s, self._jobs, now)
        for job in due:
            with session() as s:
                turn = turns.take_turn(s, job, clock())
            if turn:
                self._do(turn)
                self._looks_at = clock()  # a more frequent one may be due by now
                return True
        self._looks_at = min(later or now + _LONGEST_SLEEP, now + _LONGEST_SLEEP)
        return False

    def _do(self, turn: Turn) -> None:
        longest, name = turns.get_longest(turn.job), turn.job.name
        self._report(longest)
        try:
            with _renewed(turn):
                counts = _limit(longest.total_seconds(), turn.job.run)
        except Exception as error:  # whatever a job meets, its row says so
            log.exception("a job failed", job=name, attempt=turn.attempt)
            with session() as s:
                ours = turns.end_attempt(s, turn, clock(), type(error).__name__)
        else:
            log.info("job done", job=name, **counts)
            with session() as s:
                ours = turns.end_done(s, turn, clock(), counts)
        if not ours:
            log.warning("a job took longer than its turn, another worker has it", job=name)

    def _report(self, silent: timedelta) -> None:
        """Say in Redis that this worker lives, and may be silent for so long."""
        now = clock()
        self._reports_at = now + min(silent, _LONGEST_SLEEP)
        with suppress(RedisError):  # then the report runs out, and health says so
            report = LoopReport(at=now, failing=self._failures.names())
            write_report(redis(), report, BACKGROUND[self._queue], silent=silent)


def _has_come(instant: datetime) -> bool:
    """Return whether an instant has come; one that lies further ahead than any is written, too."""
    now = clock()
    return not now < instant <= now + _LONGEST_SLEEP


class _Alarm(BaseException):
    """The time is up: no part of a job, and no library, may take that for an error of its own and go on."""


def _limit(seconds: float, work: Callable[[], T]) -> T:
    """Return what a function returns; an alarm ends it, as RQ's workers do.

    Raises:
        rq.timeouts.JobTimeoutException: it took longer, or the program is told to stop.
    """
    try:
        with UnixSignalDeathPenalty(round(seconds), _Alarm):  # type: ignore[no-untyped-call] # RQ's own has no types
            return work()
    except _Alarm as alarm:
        raise JobTimeoutException(str(alarm)) from alarm


@contextmanager
def _renewed(turn: Turn) -> Iterator[None]:
    """Renew a turn while the block lasts, each third of its time; between that no transaction is open."""
    ended, pause = threading.Event(), turns.job_turn().total_seconds() / 3

    def renew() -> None:
        while not ended.wait(pause):
            try:
                with session() as s:
                    turns.renew(s, turn, clock())
            except SQLAlchemyError as error:  # the turn may run out meanwhile, and the job run twice
                log.warning("a turn is not renewed", job=turn.job.name, because=type(error).__name__)

    threading.Thread(target=renew, name="turn", daemon=True).start()
    try:
        yield
    finally:
        ended.set()


def run(loop: JobLoop, name: str, jobs: Iterable[Job]) -> int:
    """Work until SIGTERM, SIGINT or old; return 0: the parent starts the next."""
    set_up_logs(name)
    stopped = threading.Event()
    on_stop_signals(partial(_stop, stopped))
    log.info("working", on=[name])
    end = leaves_at()
    while not stopped.is_set() and not _add_jobs(list(jobs)):
        stopped.wait(_WAIT)
    while not stopped.is_set() and clock() < end:
        loop.run_once()
    return 0


def _add_jobs(jobs: list[Job]) -> bool:
    try:
        with session() as s:
            turns.add_jobs(s, jobs, clock())
    except DBAPIError as error:
        if not passes(error):
            raise
        log.warning("database away, trying again", because=type(error.orig).__name__)
        return False
    return True


def _stop(stopped: threading.Event) -> None:
    """Leave after the job in hand, which is ended within a second and a half."""
    stopped.set()
    if callable(signal.getsignal(signal.SIGALRM)):
        signal.setitimer(signal.ITIMER_REAL, _STOP_SECONDS)


def make_loop(queue: str) -> JobLoop:
    """Return the loop of a queue's worker."""
    if queue == PAYMENTS:
        return JobLoop(queue, list_jobs(), {"apply_object": payments.apply_object}, payments.work_off)
    return JobLoop(queue, list_jobs())


def _work(queue: str) -> int:
    """Work on a queue. Nobody waits for maintenance, and many do for what else needs the core just then."""
    if queue == MAINTENANCE:
        os.nice(_MAINTENANCE_NICE)
    return run(make_loop(queue), queue, list_jobs())


CHILDREN: dict[str, Callable[[], int]] = {name: partial(_work, name) for name in JOB_QUEUES}


@exit_on_config_error("the background program")
def main(given: list[str] | None = None) -> int:
    """Keep them running until told to stop; return 0."""
    parser = argparse.ArgumentParser(prog="python -m api.jobs", description=__doc__)
    every = (*CHILDREN, "metrics")
    parser.add_argument(
        "--only", action="append", metavar="NAME", choices=every, help=f"of {', '.join(every)}"
    )
    parser.add_argument("--metrics-host", default="127.0.0.1", help="address on which Prometheus is answered")
    options = parser.parse_args(given)
    names = options.only or list(every)
    set_up_logs("background")
    check_tables()
    note_keys()
    gc.disable()  # what it frees leaves holes in pages that the children are to share
    warm_up()
    structlog.get_logger(__name__).info("warm, starting", children=names)
    children = CHILDREN | {"metrics": partial(exporter.run, options.metrics_host)}
    return keep_running({name: children[name] for name in names}, reload_desk_files)


if __name__ == "__main__":
    sys.exit(main())
