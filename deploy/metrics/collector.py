"""Collector of the exporter: reads PostgreSQL, Redis, the API and its counters, each apart from the others.

psycopg2 is used without SQLAlchemy, which would take 25 MB of a program that mostly waits.
"""

import json
import re
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import closing
from functools import partial
from threading import Lock
from typing import Any, TypeVar, cast

import psycopg2
import structlog
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector
from psycopg2.extensions import connection
from redis import Redis, RedisError
from rq import Queue

from api.admin.health.certificate_checks import read_days_left
from api.admin.health.lateness import read_due_of
from configs.ground.clock import clock
from configs.ground.database import database_url
from configs.ground.proof_queue import list_waiting
from configs.ground.redis import open_redis
from configs.programs.circuit_breaker import FAILURES_IN_A_ROW
from configs.programs.jobs import read_oldest_seconds
from configs.programs.loop_report import API_COUNTS, read_report
from configs.settings import settings
from configs.world.desk import interval_jitter
from deploy.metrics.queries import BY_NAME, PREFIX, build_parameters, list_queries

STATEMENT_SECONDS = 1.0
PATIENCE = 5.0  # seconds for all reads of a scrape; Prometheus waits for ten
_KEPT_SECONDS = 14.0  # a scrape each 15 s costs one read, however many scrape
_ANSWER_SECONDS = 2.0  # of the API
_MOST_SERIES = 300  # of one metric: no label can fill the memory of a Prometheus
_VALUE = re.compile(r"[A-Za-z0-9_.+/:<>-]{1,120}")
_COUNTED = ("http_requests_total", "http_request_seconds", "database_query_seconds")  # by the API
_STATES = {"ok": 0, "degraded": 1, "down": 2}
# A server that vanished is noticed within about five seconds.
_CONNECTION: dict[str, Any] = {
    "connect_timeout": 3, "application_name": "metrics", "keepalives_idle": 2, "keepalives_interval": 1,
    "keepalives_count": 3, "tcp_user_timeout": 5_000,
}  # fmt: skip
# By transaction and not by session: PgBouncer may give each transaction another session.
_BEGIN = (
    f"BEGIN READ ONLY; SET LOCAL statement_timeout = {round(STATEMENT_SECONDS * 1000)}; SET LOCAL lock_timeout = 200;"
    " SET LOCAL jit = off; SET LOCAL max_parallel_workers_per_gather = 0"
)
T = TypeVar("T")
Rows = Iterable[tuple[Any, ...]]  # labels' values, then the value
Read = tuple[
    str, float, list[Family] | None
]  # a read's name, its seconds, and what it found; None: it failed
log = structlog.get_logger(__name__)


class ProductCollector(Collector):
    """All metrics. A source that hangs is not asked again until it has answered; it delays no other."""

    def __init__(self) -> None:
        client = open_redis()
        self._sources: dict[str, Callable[[], list[Read]]] = {
            "database": _read_database,
            "redis": _read_alone("redis", partial(_read_redis, client)),
            "health": _read_alone("health", _read_health),
            "settings": _read_alone("settings", _read_settings),
        }
        self._threads = ThreadPoolExecutor(len(self._sources), thread_name_prefix="metrics")
        self._running: dict[str, Future[list[Read]]] = {}
        self._lock = Lock()
        self._kept: list[Family] = []
        self._read_at: float | None = None

    def collect(self) -> Iterator[Family]:
        """Yield what was found; of a read that failed or hangs only that it did."""
        with self._lock:
            if self._read_at is None or time.monotonic() - self._read_at >= _KEPT_SECONDS:
                self._kept, self._read_at = self._read_sources(), time.monotonic()
            yield from self._kept

    def _read_sources(self) -> list[Family]:
        for name, read in self._sources.items():
            if name not in self._running or self._running[name].done():
                self._running[name] = self._threads.submit(_read_source, name, read)
        wait(self._running.values(), PATIENCE)
        reads: list[Read] = []
        for name, future in self._running.items():
            reads += future.result() if future.done() else [(name, PATIENCE, None)]
        return [
            *(family for _, _, found in reads for family in found or ()),
            build_family("metrics_query_seconds", ((name, seconds) for name, seconds, _ in reads)),
            build_family("metrics_query_failed", ((name, found is None) for name, _, found in reads)),
        ]


def build_family(name: str, rows: Rows) -> Family:
    """Return a metric with these series, _MOST_SERIES at most."""
    definition = BY_NAME[name]
    made = Family((PREFIX + name).removesuffix("_total"), definition.meaning, definition.kind)
    for *labels, value in rows:
        if len(made.samples) == _MOST_SERIES:
            log.warning("a metric has too many series: the rest is left out", metric=name)
            break
        named = dict(zip(definition.labels, map(clean_label, labels), strict=True))
        made.add_sample(PREFIX + name, named, float(value))
    return made


def clean_label(label: object) -> str:
    """Return a label's value; `other` in place of an unexpected one, which may be personal data."""
    text = str(label)
    return text if _VALUE.fullmatch(text) else "other"


def _time(name: str, read: Callable[[], T]) -> tuple[float, T | None]:
    """Return how long a read took, and what it found; None where it fails."""
    begun, found = time.monotonic(), None
    try:
        found = read()
    except (OSError, psycopg2.Error, RedisError) as error:
        first = (str(error).strip().splitlines() or [""])[0]
        log.warning("a read of the metrics fails", query=name, error=f"{type(error).__name__}: {first}")
    except Exception:
        log.exception("a read of the metrics raises", query=name)
    return time.monotonic() - begun, found


def _read_source(name: str, read: Callable[[], list[Read]]) -> list[Read]:
    seconds, found = _time(name, read)
    return [(name, seconds, None)] if found is None else found


def _read_alone(name: str, read: Callable[[], Iterable[Family]]) -> Callable[[], list[Read]]:
    return lambda: [(name, *_time(name, lambda: list(read())))]


def _read_database() -> list[Read]:
    """Carry out the SQL of the list; a statement that fails, or meets a lock, leaves out its metric only."""
    seconds, sql = _time("database", _connect)
    if sql is None:
        return [("database", seconds, None)]
    reads: list[Read] = []
    given = build_parameters(clock(), interval_jitter())
    with closing(sql):
        for name, statement in list_queries():
            reads.append((name, *_time(name, partial(_read_statement, sql, name, statement, given))))
            if sql.closed:  # the server is away, or hangs
                return [*reads[:-1], ("database", reads[-1][1], None)]
    return reads


def _connect() -> connection:
    opened: connection = psycopg2.connect(database_url().replace("+psycopg2", "", 1), **_CONNECTION)
    opened.autocommit = True  # the statements begin and end their transactions themselves
    return opened


def _read_statement(sql: connection, name: str, statement: str, given: dict[str, Any]) -> list[Family]:
    with sql.cursor() as cursor:
        cursor.execute(_BEGIN)
        try:
            cursor.execute(statement, given)
            return [build_family(name, cursor.fetchall())]
        finally:
            if not sql.closed:
                cursor.execute("ROLLBACK")


def _read_redis(client: Redis) -> Iterator[Family]:
    info: Any = client.info()
    yield build_family("redis_memory_bytes", [(info["used_memory"],)])
    yield build_family("redis_memory_limit_bytes", [(info["maxmemory"],)])
    yield build_family("redis_aof_enabled", [(info["aof_enabled"],)])
    yield build_family("proofs_waiting", [(len(list_waiting(client)),)])
    yield build_family("breaker_open", [(name, _is_open(client, name)) for name in list_breakers()])
    members = cast("set[bytes]", client.smembers("rq:queues"))  # of all that RQ ever had
    names = sorted(each.decode().removeprefix("rq:queue:") for each in members)
    yield build_family("queue_jobs", [(name, client.llen(f"rq:queue:{name}")) for name in names])
    yield build_family("queue_oldest_seconds", [(name, _read_age(client, name)) for name in names])
    report = read_report(client)  # the planner's: it knows which due queues there are
    due = read_due_of(client, sorted(report.queues) if report else ())
    yield build_family("due_desks", ((each["system"], each["overdue"]) for each in due))
    yield from read_requests(client)


def list_breakers() -> tuple[str, ...]:
    """Return whose calls a circuit breaker guards (api/admin/health/deliveries.py, without the tables)."""
    return (*settings().mail_providers, "twilio", "twilio_calls", "telegram", "web_push", "stripe")


def _is_open(client: Redis, provider: str) -> bool:
    failures: Any = client.hget(f"breaker:{provider}", "failures")
    return int(failures or 0) >= FAILURES_IN_A_ROW


def _read_age(client: Redis, queue: str) -> float:
    """Return for how long a queue's first job waits; 0 of one that was taken meanwhile."""
    return max(0.0, read_oldest_seconds(Queue(queue, connection=client), clock()) or 0.0)


def _read_health() -> list[Family]:
    """Ask the running API; where it does not answer, the part `api` is down and nothing is known of the others."""
    try:
        parts = _ask_api(settings().metrics_api_url or f"http://127.0.0.1:{settings().port}")
        states = {"api": 0} | {name: _STATES[part["status"]] for name, part in parts.items()}
    except (OSError, ValueError, KeyError, TypeError):
        states = {"api": _STATES["down"]}
    return [build_family("health_part_state", states.items())]


def _read_settings() -> Iterator[Family]:
    if settings().backup_url:
        yield build_family("backup_hour", [(settings().backup_hour,)])
    yield build_family("certificate_days", read_days_left().items())


def _ask_api(address: str) -> Any:
    # a proxy does not reach our own network
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        answer = direct.open(f"{address}/api/health", timeout=_ANSWER_SECONDS)
    except urllib.error.HTTPError as refusal:  # 503: parts are down
        answer = refusal
    with answer:
        return json.loads(answer.read())["parts"]


def read_requests(client: Redis) -> Iterator[Family]:
    """Yield what the API's workers have counted: api/web/request_metrics.py."""
    found = cast("dict[bytes, bytes]", client.hgetall(API_COUNTS))
    samples = [(field.decode().split(" "), float(number)) for field, number in sorted(found.items())]
    for definition in (BY_NAME[name] for name in _COUNTED):
        made = Family((PREFIX + definition.name).removesuffix("_total"), definition.meaning, definition.kind)
        for (name, *labels), number in samples:
            if name.startswith(definition.name):
                # only buckets have a bound
                named = zip((*definition.labels, "le"), labels, strict=False)
                made.add_sample(PREFIX + name, dict(named), number)
        yield made
