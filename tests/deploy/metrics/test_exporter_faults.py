"""The exporter while a server hangs, is slow or away: it answers in time, says what fails, recovers, and keeps nothing."""

import os
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psutil
import psycopg2
import pytest
from prometheus_client.parser import text_string_to_metric_families
from psycopg2 import extensions
from sqlalchemy.engine import make_url

from api.health.metric_reads.database import STATEMENT_SECONDS, MetricDatabase
from api.health.parallel_probe import open_redis
from configs.psycopg_timeout import wait_no_longer_than
from deploy.metrics.catalogue import PREFIX
from deploy.metrics.queries import DATABASE, REDIS, THREADS, list_queries
from deploy.metrics.query import QueryRunner
from tests.deploy.metrics.relay import Relay
from tests.waiting import until, wait_for_port

OF_DATABASE = {
    "checks", "messages", "desks", "letters", "answers", "jobs", "records", "postgres", "payments", "size",
}  # fmt: skip
OF_REDIS = {"redis", "queues"}
TIMEOUT = 10.0  # seconds that Prometheus waits: scrape_timeout in deploy/prometheus/prometheus.yml


@pytest.fixture
def database_relay(database: str, settings_env: Callable[..., None]) -> Iterator[Relay]:
    url = make_url(database)
    host, port = str(url.host or url.query["host"]), url.port or 5432
    with Relay((host, port)) as relay:
        settings_env(
            DATABASE_URL=url.set(host="127.0.0.1", port=relay.port).render_as_string(hide_password=False)
        )
        yield relay


@pytest.fixture
def redis_relay(redis_server: Any, settings_env: Callable[..., None]) -> Iterator[Relay]:
    kept = redis_server.connection_pool.connection_kwargs
    with Relay((kept["host"], kept["port"])) as relay:
        settings_env(REDIS_URL=f"redis://:{kept['password']}@127.0.0.1:{relay.port}/{kept['db']}")
        yield relay


@contextmanager
def served() -> Iterator[tuple[int, psutil.Popen]]:
    """Run the exporter as a process; give its port."""
    given = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
    command = [sys.executable, "-m", "deploy.metrics", "--port", "0"]
    process = psutil.Popen(command, env=given)
    try:
        yield wait_for_port(process.pid), process
    finally:
        process.terminate()
        assert process.wait(60) == 0


def scrape(port: int) -> set[str]:
    """Return the reads that failed."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=TIMEOUT) as answer:
        families = text_string_to_metric_families(answer.read().decode())
    return {
        sample.labels["query"]
        for family in families
        for sample in family.samples
        if sample.name == f"{PREFIX}metrics_query_failed" and sample.value
    }


@pytest.mark.processes
@pytest.mark.journey
def test_a_server_that_hangs_or_is_away_costs_its_own_reads_only(
    database_relay: Relay, redis_relay: Relay
) -> None:
    database_relay.mode = redis_relay.mode = "hang"
    with served() as (port, process):
        for mode in ("hang", "hang", "refuse", "refuse"):
            database_relay.mode = redis_relay.mode = mode
            begun = time.monotonic()
            assert scrape(port) == OF_DATABASE | OF_REDIS
            assert time.monotonic() - begun < TIMEOUT
        redis_relay.mode = "pass"
        until(lambda: scrape(port) == OF_DATABASE, 60)
        database_relay.mode = "pass"
        until(lambda: scrape(port) == set(), 60)
        # besides the reads' own: that of the program, and that of a scrape which ends
        assert process.num_threads() <= sum(THREADS.values()) + 2
        assert count_connections(process, database_relay) <= THREADS[DATABASE]
        assert count_connections(process, redis_relay) <= THREADS[REDIS]


@pytest.fixture
def runner(database_relay: Relay, redis_relay: Relay) -> Iterator[QueryRunner]:
    """Give the reads, each of which runs with every scrape."""
    pool = MetricDatabase()
    queries = list_queries(pool, open_redis())
    for each in queries:
        each.seconds = 0
    wait_no_longer_than(STATEMENT_SECONDS)
    made = QueryRunner(queries, THREADS)
    yield made
    made.close()
    pool.close()
    extensions.set_wait_callback(None)


def count_connections(process: psutil.Process, relay: Relay) -> int:
    found = [getattr(each.raddr, "port", None) for each in process.net_connections("tcp")]
    return found.count(relay.port)


def find_failed(runner: QueryRunner, patience: float = 2.5) -> set[str]:
    return {
        each.labels[0]
        for each in runner.collect(patience)
        if each.name == "metrics_query_failed" and each.value
    }


def test_servers_that_hang_while_they_are_read_are_read_again_once_they_answer(
    runner: QueryRunner, database_relay: Relay, redis_relay: Relay
) -> None:
    until(lambda: find_failed(runner) == set(), 60)
    database_relay.mode = redis_relay.mode = "hang"
    begun = time.monotonic()
    assert find_failed(runner) >= OF_REDIS
    assert time.monotonic() - begun < TIMEOUT
    until(lambda: find_failed(runner) == OF_DATABASE | OF_REDIS, 60)
    own = [each for each in threading.enumerate() if each.name.startswith(tuple(THREADS))]
    assert len(own) <= sum(THREADS.values())
    assert count_connections(psutil.Process(), database_relay) <= THREADS[DATABASE]
    assert count_connections(psutil.Process(), redis_relay) <= THREADS[REDIS]
    database_relay.mode = redis_relay.mode = "pass"
    until(lambda: find_failed(runner) == set(), 60)


def test_a_statement_that_hangs_ends_after_its_time(runner: QueryRunner, database: str) -> None:
    until(lambda: find_failed(runner, 20) == set(), 60)
    locker = psycopg2.connect(database.replace("+psycopg2", ""))
    with locker.cursor() as cursor:
        cursor.execute("LOCK TABLE notifications, desks IN ACCESS EXCLUSIVE MODE")
        hung = {"messages", "letters", "desks", "checks"}
        begun = time.monotonic()
        assert find_failed(runner) >= hung
        assert time.monotonic() - begun < TIMEOUT
        assert find_failed(runner, 20) == hung
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'metrics' AND datname = current_database()"
        )
        assert (cursor.fetchone() or ())[0] <= THREADS[DATABASE]
    locker.close()
    until(lambda: find_failed(runner, 20) == set(), 60)
