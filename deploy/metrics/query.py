"""Reads of the exporter: each runs apart from the others, and at most once in its period."""

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from threading import Lock

import structlog
from psycopg2 import Error as DatabaseError
from redis import RedisError

from api.health.metric_reads.sample import Sample

PATIENCE = 2.5  # seconds for all reads of a scrape; Prometheus waits for ten
log = structlog.get_logger(__name__)


@dataclass
class Query:
    """One read: its name, the source that it asks, and the seconds for which its answer is kept."""

    name: str
    source: str
    read: Callable[[], Sequence[Sample]]
    seconds: float = 14.0  # a scrape each 15 s costs one read, however many scrape
    samples: list[Sample] = field(default_factory=list)
    took: float = 0.0
    failed: bool = False
    began: float | None = None
    running: "Future[None] | None" = None


class QueryRunner:
    """Runs the reads: those of one source share its threads, so one that hangs holds up no other source."""

    def __init__(self, queries: Sequence[Query], threads: Mapping[str, int]) -> None:
        self._queries = list(queries)
        self._threads = {
            source: ThreadPoolExecutor(number, thread_name_prefix=source)
            for source, number in threads.items()
        }
        self._lock = Lock()

    def collect(self, patience: float = PATIENCE) -> list[Sample]:
        """Return all samples after `patience` seconds at the latest.

        Of a read that failed or hangs, there is only that it did.
        """
        with self._lock:  # two scrapes at once share the reads
            for query in self._queries:
                self._begin(query)
            running = [query.running for query in self._queries if query.running]
        wait(running, patience)
        return [sample for query in self._queries for sample in _list_samples(query)]

    def close(self) -> None:
        """Begin no more reads."""
        for threads in self._threads.values():
            threads.shutdown(wait=False, cancel_futures=True)

    def _begin(self, query: Query) -> None:
        now = time.monotonic()
        if query.running and not query.running.done():
            return
        if query.began is None or query.failed or now - query.began >= query.seconds:
            query.began = now
            query.running = self._threads[query.source].submit(_run, query)


def _run(query: Query) -> None:
    begun = time.monotonic()
    try:
        samples, failed = list(query.read()), False
    except Exception as error:
        samples, failed = [], True
        if isinstance(error, OSError | DatabaseError | RedisError):
            if not query.failed:
                log.warning("a read of the metrics fails", query=query.name, error=_first_line(error))
        elif not query.failed:
            log.exception("a read of the metrics raises", query=query.name)
    query.samples, query.failed = samples, failed
    query.took = time.monotonic() - begun


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__


def _list_samples(query: Query) -> list[Sample]:
    hangs = query.running is not None and not query.running.done()
    labels = (query.name,)
    if hangs:
        since = time.monotonic() - (query.began or 0)
        return [Sample("metrics_query_seconds", since, labels), Sample("metrics_query_failed", 1, labels)]
    own = [
        Sample("metrics_query_seconds", query.took, labels),
        Sample("metrics_query_failed", query.failed, labels),
    ]
    return [*query.samples, *own]
