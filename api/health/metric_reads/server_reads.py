"""Metrics of the servers: PostgreSQL's connections, cache and size, Redis' memory, persistence, queues and breakers."""

import re
from collections import deque
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any, cast

from redis import Redis

from api.health.due_overview import read_due_of
from api.health.metric_reads.database import MetricDatabase
from api.health.metric_reads.message_reads import list_providers
from api.health.metric_reads.sample import Sample
from configs.clock import clock
from configs.job_queues import parse_instant
from configs.loop_report import read_report
from configs.proof_spool_status import read_reports

_CACHE_FOR = timedelta(minutes=5)
_FEW_BLOCKS = 1000  # fewer say nothing of the cache
_OPEN = 3  # failures in a row that open a breaker (configs/circuit_breaker.py)
_QUEUE = re.compile(r"rq:queue:([a-z0-9-]{1,40})")
_ALL_QUEUES = "rq:queues"  # the set of all queues that RQ ever had

_CONNECTIONS = """
SELECT sum(numbackends), current_setting('max_connections')::int,
  sum(blks_hit) FILTER (WHERE datname = current_database()), sum(blks_read) FILTER (WHERE datname = current_database())
FROM pg_stat_database
"""
_SIZE = "SELECT pg_database_size(current_database())"


class PostgresMetrics:
    """Connections, and the share of blocks that were found in memory lately."""

    def __init__(self, database: MetricDatabase) -> None:
        self._database = database
        self._blocks: deque[tuple[datetime, int, int]] = deque(maxlen=100)

    def read_samples(self) -> list[Sample]:
        """Read the server's own statistics.

        Raises:
            psycopg2.Error: the server is away or too slow.
        """
        with self._database.begin_read() as fetch:
            connections, limit, hits, reads = fetch(_CONNECTIONS, {})[0]
        now = clock()
        self._blocks.append((now, int(hits), int(reads)))
        while self._blocks[0][0] < now - _CACHE_FOR:
            self._blocks.popleft()
        _, first_hits, first_reads = self._blocks[0]
        found, missed = int(hits) - first_hits, int(reads) - first_reads
        samples = [
            Sample("database_connections", float(connections)),
            Sample("database_connections_limit", limit),
        ]
        if found >= 0 <= missed and found + missed >= _FEW_BLOCKS:
            samples.append(Sample("database_cache_hit_ratio", found / (found + missed)))
        return samples


class SizeMetrics:
    """The database's size."""

    def __init__(self, database: MetricDatabase) -> None:
        self._database = database

    def read_samples(self) -> list[Sample]:
        """Ask for the size of all files.

        Raises:
            psycopg2.Error: the server is away or too slow.
        """
        with self._database.begin_read() as fetch:
            return [Sample("database_size_bytes", fetch(_SIZE, {})[0][0])]


class RedisMetrics:
    """Memory and persistence of Redis, the breakers of providers, and the proofs on their way."""

    def __init__(self, client: Redis) -> None:
        self._client = client

    def read_samples(self) -> list[Sample]:
        """Read them.

        Raises:
            redis.RedisError: Redis is away.
        """
        info: Any = self._client.info()
        return [
            Sample("redis_memory_bytes", info["used_memory"]),
            Sample("redis_memory_limit_bytes", info["maxmemory"]),
            Sample("redis_evicted_keys_total", info["evicted_keys"]),
            Sample("redis_policy_noeviction", info["maxmemory_policy"] == "noeviction"),
            Sample("redis_aof_enabled", info["aof_enabled"]),
            Sample("proofs_waiting", sum(each.waiting for each in read_reports(self._client))),
            *self._list_breakers(),
        ]

    def _list_breakers(self) -> Iterator[Sample]:
        names = [*(name for each in list_providers().values() for name in each), "stripe"]
        with self._client.pipeline(transaction=False) as calls:
            for name in names:
                calls.hget(f"breaker:{name}", "failures")
            failures = calls.execute()
        for name, number in zip(names, failures, strict=True):
            yield Sample("breaker_open", int(number or 0) >= _OPEN, (name,))


class QueueMetrics:
    """Jobs that wait in RQ's queues, and desks that are due."""

    def __init__(self, client: Redis) -> None:
        self._client = client

    def read_samples(self) -> list[Sample]:
        """Read them.

        Raises:
            redis.RedisError: Redis is away.
        """
        report = read_report(self._client)  # the planner's: it knows which due queues there are
        due = read_due_of(self._client, sorted(report.queues) if report else ())
        return [*self._list_queues(), *(Sample("due_desks", each.overdue, (each.system,)) for each in due)]

    def _list_queues(self) -> Iterator[Sample]:
        members = cast("set[bytes]", self._client.smembers(_ALL_QUEUES))
        names = sorted(found[1] for each in members if (found := _QUEUE.fullmatch(each.decode())))
        with self._client.pipeline(transaction=False) as calls:
            for name in names:
                calls.llen(f"rq:queue:{name}")
                calls.lindex(f"rq:queue:{name}", 0)
            answers = calls.execute()
        firsts = dict(zip(names, answers[1::2], strict=True))
        ages = self._read_ages({name: first.decode() for name, first in firsts.items() if first})
        for name, jobs in zip(names, answers[::2], strict=True):
            yield Sample("queue_jobs", jobs, (name,))
            yield Sample("queue_oldest_seconds", ages.get(name, 0.0), (name,))

    def _read_ages(self, jobs: dict[str, str]) -> dict[str, float]:
        """Return for how long each queue's first job waits; nothing of one that was taken meanwhile."""
        with self._client.pipeline(transaction=False) as calls:
            for job in jobs.values():
                calls.hget(f"rq:job:{job}", "enqueued_at")
            found = calls.execute()
        now = clock()
        instants = {name: at.decode() for name, at in zip(jobs, found, strict=True) if at}
        return {name: max(0.0, (now - parse_instant(at)).total_seconds()) for name, at in instants.items()}
