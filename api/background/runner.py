"""Runner of one run of a job: take its lease, renew it while the job works, write how it ended."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

import structlog
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.orm import configure_mappers

from api.background import job_store, jobs
from api.background.job_store import JOB_LEASE_SECONDS, MOST_ATTEMPTS, LeasedRun
from api.models.base import engine, session
from api.payments.objects import types_by_event
from configs.ground.clock import clock
from configs.ground.database_errors import passes
from configs.world.prefecture import prefectures

_RENEWALS = 3  # in the time of one lease
_WORKERS_DIED = "WorkerDied"

log = structlog.get_logger(__name__)


def warm_up() -> None:
    """Build what the first job needs, Stripe's library among it; workers that are forked later find it built."""
    configure_mappers()
    types_by_event()
    prefectures()  # a child that is forked later must not read newer files than the others


def warm_up_before_fork() -> None:
    """Warm up, and connect once for what SQLAlchemy builds then: the children share it, and connect for themselves."""
    warm_up()
    try:
        engine().connect().close()
    except DBAPIError as error:
        if not passes(error):
            raise
        log.warning("database away: each child builds its engine", because=type(error.orig).__name__)
    engine().dispose()


def run_job(run_id: str) -> None:
    """Do one run, unless it has ended or another worker holds it.

    Where the database is away the row stays as it is, and the sweep enqueues it again.
    """
    try:
        with session() as s:
            run = job_store.take_lease(s, UUID(run_id), clock())
        if run:
            _do(run)
    except DBAPIError as error:
        if not passes(error):
            raise
        log.warning("database away, the sweep enqueues again", run=run_id, because=type(error.orig).__name__)


def _do(run: LeasedRun) -> None:
    if run.attempts > MOST_ATTEMPTS:
        _end(run, None, _WORKERS_DIED)
        return
    try:
        with _keep_lease(run):
            counts = getattr(jobs, run.job)()
    except Exception as error:  # whatever a job meets, its row says so # noqa: BLE001
        _note_failure(run, error)
    else:
        _end(run, counts, None)


def _note_failure(run: LeasedRun, error: Exception) -> None:
    kind = type(error).__name__
    log.error("a job failed", job=run.job, attempt=run.attempts, exc_info=error)
    if run.attempts >= MOST_ATTEMPTS:
        _end(run, None, kind)
        return
    with session() as s:
        job_store.retry_run(s, run, clock(), kind)


def _end(run: LeasedRun, counts: dict[str, int] | None, error: str | None) -> None:
    with session() as s:
        ours = job_store.end_run(s, run, clock(), counts, error)
    if not ours:
        log.warning("a job took longer than its lease, another worker has the run", job=run.job)
    elif error:
        log.error("a run failed for good, the next one is as scheduled", job=run.job, error=error)
    else:
        log.info("job done", job=run.job, **(counts or {}))


@contextmanager
def _keep_lease(run: LeasedRun) -> Iterator[None]:
    """Renew the lease on a thread while the block lasts, so that a long job is not started again."""
    done = threading.Event()
    thread = threading.Thread(target=_renew, args=(run, done), name="lease", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def _renew(run: LeasedRun, done: threading.Event) -> None:
    while not done.wait(JOB_LEASE_SECONDS() / _RENEWALS):
        try:
            with session() as s:
                if not job_store.renew_lease(s, run, clock()):
                    return
        except SQLAlchemyError as error:
            log.warning("a lease is not renewed", job=run.job, because=type(error).__name__)
