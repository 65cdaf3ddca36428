"""Jobs that a worker runs: those of its queues' lists, in the form that ours have. All others are refused.

RQ runs whatever function a job names, and imports the callbacks that it names, too; so who can write to Redis could run
code with the secrets of each program. Here a job is compared with a table of queues and functions before anything of
it is imported or unpacked. It is told nothing but arguments: it has no callbacks, dependencies, retries, repetitions,
groups or web hooks. A refused job is removed, counted for health, and stops neither the worker nor the jobs behind it.
"""

import json
import zlib
from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache
from importlib.resources import files
from typing import Any, ClassVar, cast

import structlog
from redis import Redis
from redis.client import Pipeline
from redis.commands.core import Script
from rq import Queue
from rq.exceptions import NoSuchJobError
from rq.job import Job

from configs.ground.job_queues import JOB_ID, begins_with_queue, count_refused

# Fields that RQ fills for our jobs. Others must be empty: each would run or bring something.
_FIELDS = frozenset(
    {
        *("data", "origin", "description", "status", "worker_name", "exc_info", "enqueue_at_front"),
        *("created_at", "enqueued_at", "started_at", "ended_at", "last_heartbeat"),
        *("timeout", "result_ttl", "failure_ttl", "ttl"),
    }
)
_MOST_FIELDS, _LARGEST_FIELD = 40, 256 * 1024
_LARGEST = 1024 * 1024  # bytes of a job's data, unpacked
_LONGEST_ARGUMENT = 300
_LONGEST_TIMEOUT = 86400
_NOTHING = "none"  # an id that no job has
# What reading fields raises that are of another kind than ours.
_STRANGE = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError, zlib.error)
log = structlog.get_logger(__name__)


class JobRefused(NoSuchJobError):
    """A job is not one that our programs enqueue. RQ passes over it as over one that is gone."""


class ListedJob(Job):
    """A job of the queues in `functions`, which names what each queue's jobs may call."""

    functions: ClassVar[Mapping[str, Collection[str]]] = {}

    def refresh(self) -> None:
        """Read the job.

        Raises:
            JobRefused: our programs enqueue no such job.
            rq.exceptions.NoSuchJobError: there is none.
        """
        found = _read_fields(self.connection, self.key)
        if found is not None and not found:
            raise NoSuchJobError(f"no such job: {self.key}")
        self.restore(found)

    def restore(self, raw_data: dict[bytes, bytes] | None) -> None:
        """Take over the fields of a job, None where our programs write no such fields.

        Raises:
            JobRefused: our programs enqueue no such job.
        """
        try:
            self._check(raw_data)
            super().restore(raw_data)
        except _STRANGE as error:
            self._refuse(error)
            raise JobRefused(f"refused: {self.key}") from None

    def _check(self, found: dict[bytes, bytes] | None) -> None:
        """Compare the fields with what a job of ours has, and unpack its data."""
        if found is None:
            raise ValueError("it has another form or size")
        if others := sorted(
            name.decode() for name, value in found.items() if value and name.decode() not in _FIELDS
        ):
            raise ValueError(f"it has {', '.join(others)[:200]}")
        queue = found[b"origin"].decode()
        if not begins_with_queue(self.id, queue):
            raise ValueError("its id does not begin with its queue")
        unpacked = zlib.decompressobj()
        found[b"data"] = unpacked.decompress(found[b"data"], _LARGEST)
        if unpacked.unconsumed_tail:
            raise ValueError("its data is too large")
        function, instance, arguments, by_name = json.loads(found[b"data"])
        if function not in self.functions.get(queue, ()):
            raise ValueError(f"{str(function)[:100]!r} is not on the list of {queue[:100]!r}")
        if instance is not None or by_name != {} or not all(map(_is_plain, arguments)):
            raise ValueError("it has other arguments than ours")
        if not 0 < int(found[b"timeout"]) <= _LONGEST_TIMEOUT:
            raise ValueError("it would take too long")

    def _refuse(self, error: Exception) -> None:
        queue = next((name for name in self.functions if begins_with_queue(self.id, name)), "")
        log.error(
            "a job is refused", queue=queue, job=self.id, because=f"{type(error).__name__}: {error}"[:300]
        )
        self.connection.delete(self.key)
        _forget_entry(self.connection, queue, self.id)
        count_refused(self.connection, queue)


class ListedQueue(Queue):
    """A queue whose entries are read with care; no job depends on another one."""

    @classmethod
    def lpop(
        cls, queue_keys: Sequence[str], timeout: int | None, connection: Redis | None = None
    ) -> tuple[Any, Any] | None:
        """Take an entry; the id of no job where it cannot be one of this queue."""
        return _check_entry(super().lpop(queue_keys, timeout, connection), connection)

    @classmethod
    def lmove(cls, connection: Redis, queue_key: str, timeout: int | None) -> tuple[Any, Any] | None:
        """Take an entry, and keep it in the queue's list of taken ones until its job begins."""
        return _check_entry(super().lmove(connection, queue_key, timeout), connection)

    def enqueue_dependents(
        self,
        job: Job,
        pipeline: Pipeline | None = None,
        exclude_job_id: str | None = None,
        refresh_job_status: bool = True,
    ) -> None:
        """Leave jobs alone that claim to depend on another one: no job of our programs does."""


def list_functions(functions: Mapping[str, Collection[str]]) -> type[ListedJob]:
    """Return the class of the jobs that may call these functions."""
    return type("WorkerJob", (ListedJob,), {"functions": functions})


def _check_entry(taken: tuple[Any, Any] | None, connection: Redis | None) -> tuple[Any, Any] | None:
    if taken is None or connection is None:
        return taken
    key, entry = taken
    name = (key if isinstance(key, str) else key.decode()).removeprefix(Queue.redis_queue_namespace_prefix)
    if JOB_ID.fullmatch(entry) and begins_with_queue(entry.decode(), name):
        return taken
    log.error("a job is refused", queue=name, because=f"no id of ours: {entry[:100]!r}")
    _forget_entry(connection, name, entry)
    count_refused(connection, name)
    return key, _NOTHING.encode()


def _forget_entry(connection: Redis, queue: str, entry: Any) -> None:
    """Remove an entry from the list in which RQ keeps what was taken until its job begins."""
    connection.lrem(f"{Queue.redis_queue_namespace_prefix}{queue}:intermediate", 1, entry)


def _is_plain(argument: object) -> bool:
    return (isinstance(argument, str) and len(argument) <= _LONGEST_ARGUMENT) or type(argument) is int


def _read_fields(connection: Redis, key: str) -> dict[bytes, bytes] | None:
    """Return the fields of a job; None where it cannot be one of ours."""
    found = cast("Any", _script()(keys=[key], args=[_MOST_FIELDS, _LARGEST_FIELD], client=connection))
    return None if found == 0 else dict(zip(found[::2], found[1::2], strict=True))


@lru_cache(maxsize=1)
def _script() -> Script:
    return Redis().register_script((files("configs.ground") / "read_job.lua").read_text("utf-8"))
