"""RQ jobs: how one is put into a queue, and the worker that takes one after the other, until told to stop or old."""

import faulthandler
import json
import logging
import math
import re
import signal
import threading
import zlib
from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime
from functools import partial
from types import FrameType
from typing import Any, ClassVar, NoReturn, cast
from uuid import uuid4

import structlog
from redis import Redis
from redis.client import Pipeline
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError, ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError
from rq import Queue, SimpleWorker
from rq.exceptions import DuplicateJobError, InvalidJobOperation, NoSuchJobError, StopRequested
from rq.job import Job
from rq.serializers import JSONSerializer
from rq.worker_registration import REDIS_WORKER_KEYS

from configs.ground.clock import clock
from configs.ground.logs import set_up_logs
from configs.ground.redis import redis, redis_client
from configs.programs.worker_processes import leaves_at, on_stop_signals
from configs.settings import settings

# Longest time of one attempt at a job
JOB_SECONDS = 600

KEPT_SECONDS = 3600  # a job that a dying worker took with it, or that failed

log = structlog.get_logger(__name__)

# Fields that RQ fills for our jobs. No other one is read: each would run or bring something.
_FIELDS = frozenset(
    {
        *(b"data", b"origin", b"description", b"status", b"worker_name", b"exc_info", b"enqueue_at_front"),
        *(b"created_at", b"enqueued_at", b"started_at", b"ended_at", b"last_heartbeat"),
        *(b"timeout", b"result_ttl", b"failure_ttl", b"ttl"),
    }
)
_LARGEST = 1024 * 1024  # bytes of a job's data, unpacked
_LONGEST_TIMEOUT = 86400
_ID = re.compile(rb"[A-Za-z0-9_-]{1,200}")
# What reading fields raises that are of another kind than ours.
_STRANGE = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError, zlib.error)
_STOP_SECONDS = 1.5  # for the job in hand; its lease outlives us if that is too short
# For one that a library keeps from ending, as Playwright does whose browser hangs. A supervisor kills after 15 s.
_KILL_SECONDS = 12.0
_IDLE_SECONDS = 15
_RETRY_SECONDS = 1.0


def connect() -> None:
    """Connect the process's client now, where Redis answers, so that the first short call does not wait for it."""
    try:
        redis().ping()
    except RedisError as error:
        log.info("redis away: the first call connects", because=type(error).__name__)


def queue(name: str) -> Queue:
    """Return a queue; what is in it is JSON, as unpickling runs whatever Redis holds."""
    return Queue(name, connection=redis(), serializer=JSONSerializer)


def name_job(queue_name: str, what: str) -> str:
    """Return the id of a job: it begins with its queue's name, by which rules of Redis can tell whose it is."""
    return f"{queue_name}-{what}"


def push(
    name: str, function: str, arguments: tuple[object, ...], what: str, *, seconds: int, kept: int
) -> None:
    """Queue one job for at most `seconds` of work, `kept` so long; one that waits by that name already is enough."""
    job_id = name_job(name, what)
    later = redis().pipeline(transaction=False)  # RQ lists the queue in it: the job need not wait for that
    try:
        queue(name).enqueue_call(
            func=function, args=arguments, job_id=job_id, unique=True, timeout=seconds,
            result_ttl=0, ttl=kept, failure_ttl=kept, description=job_id, pipeline=later,
        )  # fmt: skip
    except DuplicateJobError:
        log.debug("already nudged", job=job_id)
    later.execute()


def read_oldest_seconds(jobs: Queue, now: datetime) -> float | None:
    """Return how long the oldest job of a queue has waited; None where none waits.

    Raises:
        redis.RedisError: Redis is away.
        ValueError: the job does not say when it was queued.
    """
    first = cast("bytes | None", jobs.connection.lindex(jobs.key, 0))
    key = Job.redis_job_namespace_prefix.encode() + first if first else b""
    at = cast("bytes | None", jobs.connection.hget(key, "enqueued_at")) if first else None
    # Nothing: it was taken meanwhile, or is too old and its row is nudged again.
    if not at:
        return None
    queued = datetime.fromisoformat(at.decode())
    # RQ writes UTC; what says no zone must not end the sweep, which expects a ValueError alone.
    return round((now - (queued if queued.tzinfo else queued.replace(tzinfo=UTC))).total_seconds(), 3)


class ListedJob(Job):
    """A job of the queues in `functions`, which names what each queue's jobs may call."""

    functions: ClassVar[Mapping[str, Collection[str]]] = {}

    def refresh(self) -> None:
        """Read the job.

        Raises:
            redis.RedisError: Redis does not answer.
            rq.exceptions.NoSuchJobError: there is none, or our programs enqueue no such job.
        """
        try:
            super().refresh()  # type: ignore[no-untyped-call] # RQ's own has no types
        except ResponseError as error:
            if not str(error).startswith("WRONGTYPE"):  # of the key, which holds no hash
                raise
            self._refuse(error)

    def restore(self, raw_data: dict[bytes, bytes]) -> None:
        """Take over those fields of a job that ours have.

        Raises:
            rq.exceptions.NoSuchJobError: our programs enqueue no such job.
        """
        ours = {name: value for name, value in raw_data.items() if name in _FIELDS}
        try:
            self._check(ours)
            super().restore(ours)
        except _STRANGE as error:
            self._refuse(error)

    def _refuse(self, error: Exception) -> NoReturn:
        log.error("a job is refused", job=self.id, because=f"{type(error).__name__}: {error}"[:300])
        self.connection.delete(self.key)
        queue = next((name for name in self.functions if self.id.startswith(name_job(name, ""))), "")
        _forget_entry(self.connection, f"{Queue.redis_queue_namespace_prefix}{queue}", self.id)
        raise NoSuchJobError(f"refused: {self.key}") from None  # RQ passes over it

    def _check(self, found: dict[bytes, bytes]) -> None:
        queue = found[b"origin"].decode()
        unpacked = zlib.decompressobj()
        data = unpacked.decompress(found[b"data"], _LARGEST)
        function, instance, arguments, by_name = json.loads(data.decode())
        found[b"data"] = data
        if unpacked.unconsumed_tail or not 0 < int(found[b"timeout"]) <= _LONGEST_TIMEOUT:
            raise ValueError("its data or its time is too large")
        if not isinstance(arguments, list) or by_name != {}:
            raise ValueError("it has other arguments than ours")
        if not self.id.startswith(name_job(queue, "")):  # by which rules of Redis tell whose it is
            raise ValueError("its id does not begin with its queue")
        if instance is not None or function not in self.functions.get(queue, ()):
            raise ValueError(f"{str(function)[:100]!r} is not on the list of {queue[:100]!r}")


class _Queue(Queue):
    """A queue whose entries are read with care: one that RQ cannot read would end the worker."""

    @classmethod
    def lpop(cls, queue_keys: Any, timeout: int | None, connection: Any = None) -> tuple[Any, Any] | None:
        """Take an entry; the id of no job where it is none."""
        return _check_entry(super().lpop(queue_keys, timeout, connection), connection)

    @classmethod
    def lmove(cls, connection: Redis, *given: Any) -> tuple[Any, Any] | None:
        """Take an entry, and keep it in the queue's list of taken ones until its job begins."""
        return _check_entry(super().lmove(connection, *given), connection)

    def enqueue_dependents(self, *_given: Any, **_named: Any) -> None:
        """Ask for no jobs that depend on another one, which takes a round trip: no job of our programs does."""


def _check_entry(taken: tuple[Any, Any] | None, connection: Redis) -> tuple[Any, Any] | None:
    if taken is None:
        return None
    key, entry = taken
    queue_key = key if isinstance(key, str) else key.decode()
    ours = name_job(queue_key.removeprefix(Queue.redis_queue_namespace_prefix), "").encode()
    if _ID.fullmatch(entry) and entry.startswith(ours):
        return taken
    log.error("a job is refused", queue=queue_key, because=f"no id of ours: {entry[:100]!r}")
    _forget_entry(connection, queue_key, entry)
    return key, ours + b"none"


def _forget_entry(connection: Redis, queue_key: str, entry: str | bytes) -> None:
    """Remove an entry from the list in which RQ keeps what was taken until its job begins."""
    connection.lrem(f"{queue_key}:intermediate", 1, entry)  # type: ignore[arg-type]


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
            job_class=type("WorkerJob", (ListedJob,), {"functions": functions}),
            queue_class=_Queue,
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
            log.error("a job failed", job=job.id, about=job.args[:1], exc_info=exc_info[1])

    def check_for_suspension(self, burst: bool) -> None:  # noqa: ARG002 -- RQ passes it
        """Leave between two jobs when the time has come. Redis suspends no worker: any client of it could."""
        if self.stopped.is_set() or clock() >= self.leaves_at:
            raise StopRequested

    def run_maintenance_tasks(self) -> None:
        """Clean what RQ keeps of each queue, as `clean_registries` does; none of our jobs is in a group."""
        self.clean_registries()  # type: ignore[no-untyped-call] # RQ's own has no types

    def request_stop(self, signum: int, frame: FrameType | None) -> None:
        """Finish the job in hand within a second and a half, then leave."""
        _stop_soon(self.stopped)
        if callable(signal.getsignal(signal.SIGALRM)):
            # Shortens the time RQ gives the job, by the same timer: it ends with RQ's JobTimeoutException.
            signal.setitimer(signal.ITIMER_REAL, _STOP_SECONDS)
        super().request_stop(signum, frame)  # type: ignore[no-untyped-call] # RQ's own has no types


def _stop_soon(stopped: threading.Event) -> None:
    """Ask to stop, and end this process where that hangs, saying where: what it had in hand waits for the next."""
    stopped.set()
    faulthandler.dump_traceback_later(_KILL_SECONDS, exit=True)


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
    on_stop_signals(partial(_stop_soon, stopped))
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
            client = redis_client(retries=False)
            left = math.ceil((end - clock()).total_seconds())
            JobWorker(functions, client, end, stopped).work(
                logging_level="WARNING", max_idle_time=max(1, left)
            )
        except RedisError as error:
            log.warning("redis away, trying again", because=type(error).__name__)
        finally:
            on_stop_signals(partial(_stop_soon, stopped))  # RQ leaves its own handlers behind
        if clock() < end:
            stopped.wait(_RETRY_SECONDS)
