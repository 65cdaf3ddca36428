"""Overview of the processes that report in Redis: spiders, and workers of the queues of jobs."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import cast

from redis import Redis
from rq import Worker
from rq.worker import BaseWorker

from api.health.parallel_probe import open_redis


@dataclass(frozen=True, slots=True)
class Spider:
    """One spider process, as it last spoke (crawler/spider_processes/registry.py)."""

    system: str
    job: str
    state: str
    started: datetime
    memory_mb: int
    running: int
    checks: int
    version: str


@dataclass(frozen=True, slots=True)
class QueueListener:
    """One worker of the notifier."""

    name: str
    queues: list[str]
    state: str
    since: datetime | None
    jobs: int
    failed: int


def read_spiders() -> list[Spider]:
    """Read the spiders' own entries.

    Raises:
        redis.RedisError: Redis is away.
    """
    return sorted(_spiders(open_redis()), key=lambda each: (each.system, each.started))


def _spiders(client: Redis) -> Iterator[Spider]:
    for name in cast("set[bytes]", client.smembers("processes")):
        told = cast("dict[bytes, bytes]", client.hgetall(b"process:" + name))
        if told:
            said = {key.decode(): value.decode() for key, value in told.items()}
            memory, running, checks = (int(said[key]) for key in ("memory", "running", "checks"))
            started = datetime.fromisoformat(said["started"])
            yield Spider(
                said["system"], said["job"], said["state"], started, memory, running, checks, said["version"]
            )


def read_workers() -> list[QueueListener]:
    """Read the workers' own entries.

    Raises:
        redis.RedisError: Redis is away.
    """
    return sorted(
        map(_listener, Worker.all(connection=open_redis())), key=lambda each: (each.queues, each.name)
    )


def _listener(worker: BaseWorker) -> QueueListener:
    since = worker.birth_date.replace(tzinfo=UTC) if worker.birth_date else None
    done, failed = worker.successful_job_count, worker.failed_job_count
    return QueueListener(worker.name, worker.queue_names(), str(worker.get_state()), since, done, failed)
