"""RQ worker that takes jobs one after the other in its own process, until told to stop or old."""

import logging
import math
import os
import re
import signal
import threading
import time
from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from types import FrameType
from typing import Any, cast
from uuid import uuid4

import structlog
from redis import Redis
from redis.client import Pipeline
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError, ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError
from rq import Queue, SimpleWorker
from rq.exceptions import InvalidJobOperation, StopRequested
from rq.job import Job
from rq.serializers import JSONSerializer
from rq.worker_registration import REDIS_WORKER_KEYS

from configs.ground.clock import clock
from configs.ground.job_queues import without_retries
from configs.ground.listed_jobs import ListedQueue, list_functions
from configs.ground.logs import set_up_logs
from configs.ground.process_age import leaves_at, on_stop_signals
from configs.ground.redis import redis_client
from configs.settings import settings

_STOP_SECONDS = 1.5  # for the job in hand; its lease outlives us if that is too short
_KILL_SECONDS = 8.0  # for one that a library keeps from ending, as Playwright does whose browser hangs
_IDLE_SECONDS = 15
_RETRY_SECONDS = 1.0

# What RQ keeps of a queue besides its jobs, and as what. Jobs are nudges: losing one, or these, loses nothing.
_KEPT_BY_RQ = {
    "rq:queue:{}:intermediate": b"list",
    "rq:workers:{}": b"set",
    "rq:wip:{}": b"zset",
    "rq:failed:{}": b"zset",
    "rq:finished:{}": b"zset",
    "rq:clean_registries:{}": b"string",
}

_WORKER = re.compile(rb"rq:worker:[\w.-]+")

log = structlog.get_logger(__name__)


class JobWorker(SimpleWorker):
    """A worker that leaves at a certain age, and soon after a signal."""

    max_connection_wait_time = 2.0  # RQ's own default waits up to a minute after a lost connection
    log_result_lifespan = False

    def __init__(
        self,
        functions: Mapping[str, Collection[str]],  # by queue, in the order in which they are worked on
        connection: Redis,
        leaves_at: datetime,
        stopped: threading.Event,
    ) -> None:
        super().__init__(
            list(functions),
            name=f"{settings().program or 'worker'}-{uuid4().hex}",  # whose user of Redis may write its record
            connection=connection,
            job_class=list_functions(functions),
            queue_class=ListedQueue,
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

    def _drop_strange_workers(self) -> None:
        """Drop names from the set of all workers that RQ gives to none: who reads them all could read none."""
        found = cast("set[bytes]", self.connection.smembers(REDIS_WORKER_KEYS))
        if strange := [name for name in found if not _WORKER.fullmatch(name)]:
            self.connection.srem(REDIS_WORKER_KEYS, *strange)

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

    def check_for_suspension(self, burst: bool) -> None:  # noqa: ARG002 -- RQ passes it
        """Leave between two jobs when the time has come. Redis suspends no worker: any client of it could."""
        if self.stopped.is_set() or clock() >= self.leaves_at:
            raise StopRequested

    def run_maintenance_tasks(self) -> None:
        """Clean what RQ keeps of each queue, as `clean_registries` does; no job of ours is in a group."""
        self.clean_registries()

    def clean_registries(self) -> None:
        """Look after jobs whose worker died. What RQ keeps of the queues is dropped where it cannot be read."""
        self._drop_strange_workers()
        try:
            super().clean_registries()  # type: ignore[no-untyped-call] # RQ's own has no types
        except (ResponseError, TypeError, ValueError) as error:
            because = f"{type(error).__name__}: {error}"[:200]
            log.error("what RQ keeps of the queues is damaged, it is dropped", because=because)  # noqa: TRY400 -- no trace
            keys = [template.format(name) for name in self.queue_names() for template in _KEPT_BY_RQ]
            self.connection.delete(REDIS_WORKER_KEYS, *keys)

    def request_stop(self, signum: int, frame: FrameType | None) -> None:
        """Finish the job in hand within a second and a half, then leave."""
        self.stopped.set()
        if callable(signal.getsignal(signal.SIGALRM)):
            # Shortens the time RQ gives the job, by the same timer: it ends with RQ's JobTimeoutException.
            signal.setitimer(signal.ITIMER_REAL, _STOP_SECONDS)
            threading.Thread(target=_end_process, daemon=True).start()
        super().request_stop(signum, frame)  # type: ignore[no-untyped-call] # RQ's own has no types

    def work_until_old(self) -> None:
        """Work until told to stop, until old, or until Redis is away."""
        left = (self.leaves_at - clock()).total_seconds()
        self.work(logging_level="WARNING", max_idle_time=max(1, math.ceil(left)))


def _end_process() -> None:
    """End this process where its job does not: a supervisor would kill it a little later, and would call it ill."""
    time.sleep(_KILL_SECONDS)
    log.warning("the job in hand does not end: the worker leaves it to the next")
    os._exit(0)


def _drop_strange_keys(client: Redis, queues: Collection[str]) -> None:
    """Drop keys of RQ's that hold something else than RQ puts there: the worker could not even begin."""
    kinds = {REDIS_WORKER_KEYS: b"set", Queue.redis_queues_keys: b"set"}
    kinds |= {template.format(name): kind for name in queues for template, kind in _KEPT_BY_RQ.items()}
    kinds |= {f"{Queue.redis_queue_namespace_prefix}{name}": b"list" for name in queues}
    with client.pipeline(transaction=False) as calls:
        for key in kinds:
            calls.type(key)
        found = dict(zip(kinds, calls.execute(), strict=True))
    strange = [key for key, kind in kinds.items() if found[key] not in (kind, b"none")]
    if strange:
        log.error("keys of Redis hold something else than RQ's, they are dropped", keys=strange)
        client.delete(*strange)


class _OneLine(logging.Filter):
    """Keeps a Redis that is away from filling the log with tracebacks: what RQ does then is to leave."""

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if isinstance(record.exc_info, tuple) else None
        if isinstance(error, RedisError):
            record.exc_info, record.msg, record.args = None, f"redis away: {type(error).__name__}", ()
        return True


def run_worker(functions: Mapping[str, Collection[str]], name: str, warm_up: Callable[[], None]) -> int:
    """Work until stopped or old, logging as `name`; return 0: the parent starts the next.

    `functions` has the queues, in the order in which they are worked on, and what the jobs of each may call.
    """
    stopped = threading.Event()
    on_stop_signals(stopped.set)
    set_up_logs(name)
    logging.getLogger("rq.worker").addFilter(_OneLine())
    warm_up()
    log.info("working", on=list(functions))
    try:
        _serve(functions, stopped)
    except StopRequested:
        log.debug("told to stop between two moments of RQ")
    return 0


def _serve(functions: Mapping[str, Collection[str]], stopped: threading.Event) -> None:
    """Work for one lifetime, through any absence of Redis."""
    end = leaves_at()
    while not stopped.is_set() and clock() < end:
        try:
            client = without_retries(redis_client())
            _drop_strange_keys(client, functions)
            JobWorker(functions, client, end, stopped).work_until_old()
        except RedisError as error:
            log.warning("redis away, trying again", because=type(error).__name__)
        finally:
            on_stop_signals(stopped.set)  # RQ leaves its own handlers behind
        if clock() < end:
            stopped.wait(_RETRY_SECONDS)
