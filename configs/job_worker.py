"""RQ worker that takes jobs one after the other in its own process, until told to stop or old."""

import logging
import math
import signal
import threading
from collections.abc import Callable, Sequence
from datetime import datetime
from types import FrameType
from typing import Any

import structlog
from redis import Redis
from redis.client import Pipeline
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError
from rq import Queue, SimpleWorker
from rq.exceptions import InvalidJobOperation, StopRequested
from rq.job import Job
from rq.serializers import JSONSerializer
from rq.worker_registration import REDIS_WORKER_KEYS

from configs.clock import clock
from configs.job_queues import without_retries
from configs.logs import set_up_logs
from configs.process_age import leaves_at, on_stop_signals
from configs.redis import redis_client

_STOP_SECONDS = 1.5  # for the job in hand; its lease outlives us if that is too short
_IDLE_SECONDS = 15
_RETRY_SECONDS = 1.0

log = structlog.get_logger(__name__)


class JobWorker(SimpleWorker):
    """A worker that leaves at a certain age, and soon after a signal."""

    max_connection_wait_time = 2.0  # RQ's own default waits up to a minute after a lost connection
    log_result_lifespan = False

    def __init__(
        self, queues: list[str], connection: Redis, leaves_at: datetime, stopped: threading.Event
    ) -> None:
        super().__init__(
            queues,
            connection=connection,
            serializer=JSONSerializer,
            worker_ttl=_IDLE_SECONDS + 15,  # RQ waits 15 s less than this for a job
            maintenance_interval=30,
            job_monitoring_interval=5,
            log_job_description=False,
        )
        self.leaves_at = leaves_at
        self.stopped = stopped
        self._has_job = False

    def subscribe(self) -> None:
        """Take no commands through Redis: any client of it could stop the worker."""

    def heartbeat(self, timeout: int | None = None, pipeline: Pipeline | None = None) -> None:
        """Register again where Redis was emptied or restored from an older state: health counts who listens."""
        if pipeline is None and self._has_job:
            self._has_job = False
            return  # RQ prepares the job next, and says in the same round trip that this worker is alive
        if pipeline is None and self.stopped.is_set():
            raise StopRequested  # RQ looks no more whether to stop while it waits for a job
        if pipeline is None and not self._is_registered():
            log.info("Redis does not know this worker any more: it registers again")
            # The rest of its record would look like another worker of the same name.
            self.connection.delete(self.key)
            self.register_birth()  # type: ignore[no-untyped-call] # RQ's own has no types
        super().heartbeat(timeout, pipeline)

    def reorder_queues(self, reference_queue: Queue) -> None:
        """Note that a job was taken: until it begins, each round trip delays a message."""
        self._has_job = True
        super().reorder_queues(reference_queue)

    def _is_registered(self) -> bool:
        # In a restored Redis the sets may name it while its record has expired; heartbeats bring back half of that.
        pipeline = self.connection.pipeline(transaction=False)
        pipeline.sismember(REDIS_WORKER_KEYS, self.key)
        pipeline.hexists(self.key, "birth")
        return all(pipeline.execute())

    def handle_exception(self, job: Job, *exc_info: Any) -> None:
        """Log what a job raised; in one line where Redis was away or emptied: what the job did is in the tables."""
        if isinstance(exc_info[1], RedisConnectionError | RedisTimeoutError | InvalidJobOperation):
            log.warning(
                "redis away or emptied while a job ran", job=job.id, because=type(exc_info[1]).__name__
            )
        else:  # RQ's own line has the traceback in its text, where no report finds it
            log.error("a job failed", job=job.id, exc_info=exc_info[1])

    def check_for_suspension(self, burst: bool) -> None:
        """Leave between two jobs when the time has come."""
        if self.stopped.is_set() or clock() >= self.leaves_at:
            raise StopRequested
        super().check_for_suspension(burst)

    def request_stop(self, signum: int, frame: FrameType | None) -> None:
        """Finish the job in hand within a second and a half, then leave."""
        self.stopped.set()
        if callable(signal.getsignal(signal.SIGALRM)):
            # Shortens the time RQ gives the job, by the same timer: it ends with RQ's JobTimeoutException.
            signal.setitimer(signal.ITIMER_REAL, _STOP_SECONDS)
        super().request_stop(signum, frame)  # type: ignore[no-untyped-call] # RQ's own has no types

    def work_until_old(self) -> None:
        """Work until told to stop, until old, or until Redis is away."""
        left = (self.leaves_at - clock()).total_seconds()
        self.work(logging_level="WARNING", max_idle_time=max(1, math.ceil(left)))


class _OneLine(logging.Filter):
    """Keeps a Redis that is away from filling the log with tracebacks: what RQ does then is to leave."""

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if isinstance(record.exc_info, tuple) else None
        if isinstance(error, RedisError):
            record.exc_info, record.msg, record.args = None, f"redis away: {type(error).__name__}", ()
        return True


def run_worker(queues: Sequence[str], name: str, warm_up: Callable[[], None]) -> int:
    """Work on these queues until stopped or old, logging as `name`; return 0: the parent starts the next."""
    stopped = threading.Event()
    on_stop_signals(stopped.set)
    set_up_logs(name)
    logging.getLogger("rq.worker").addFilter(_OneLine())
    warm_up()
    log.info("working", on=queues)
    try:
        _serve(list(queues), stopped)
    except StopRequested:
        log.debug("told to stop between two moments of RQ")
    return 0


def _serve(queues: list[str], stopped: threading.Event) -> None:
    """Work for one lifetime, through any absence of Redis."""
    end = leaves_at()
    while not stopped.is_set() and clock() < end:
        try:
            JobWorker(queues, without_retries(redis_client()), end, stopped).work_until_old()
        except RedisError as error:
            log.warning("redis away, trying again", because=type(error).__name__)
        finally:
            on_stop_signals(stopped.set)  # RQ leaves its own handlers behind
        if clock() < end:
            stopped.wait(_RETRY_SECONDS)
