"""The exporter writes what the catalogue and the documentation name, whatever the servers do."""

import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event
from typing import Any

import psycopg2
import pytest
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy.engine import make_url

from api.health.metric_reads.database import MetricDatabase
from api.health.metric_reads.sample import Sample
from api.health.parallel_probe import open_redis
from api.migrations.logins import make_logins, parse_logins
from deploy.metrics.catalogue import METRICS, PREFIX, clean_label, find_definition, list_labels
from deploy.metrics.exposition import write_text
from deploy.metrics.queries import THREADS, list_queries
from deploy.metrics.query import Query, QueryRunner

_PAGE = Path(__file__).parents[3] / "docs" / "reference" / "metrics.md"
_MOST_SERIES = 12_000


def read_all(runner: QueryRunner, patience: float = 20) -> dict[str, list[Sample]]:
    """Return the samples of a scrape, by name."""
    found: dict[str, list[Sample]] = {}
    for sample in runner.collect(patience):
        found.setdefault(sample.name, []).append(sample)
    return found


def find_failed(found: dict[str, list[Sample]]) -> set[str]:
    return {sample.labels[0] for sample in found["metrics_query_failed"] if sample.value}


@pytest.fixture
def runner(database: str, redis_server: Any) -> Iterator[QueryRunner]:
    pool = MetricDatabase()
    made = QueryRunner(list_queries(pool, open_redis()), THREADS)
    yield made
    made.close()
    pool.close()


def test_every_read_answers_an_empty_world(runner: QueryRunner) -> None:
    found = read_all(runner)
    assert find_failed(found) == set()
    assert found["health_part_state"] == [Sample("health_part_state", 2, ("api",))]  # no API runs here
    for samples in found.values():
        for sample in samples:
            assert len(sample.labels) == len(list_labels(sample.name)), sample


def test_a_reader_s_rights_are_enough(
    database: str, redis_server: Any, settings_env: Callable[..., None]
) -> None:
    url = make_url(database).set(username="metrics_of_tests", password="metrics-of-tests")
    address = url.render_as_string(hide_password=False)
    make_logins(database, parse_logins({"reader": address}), 60)
    settings_env(PROGRAM="reader", DATABASE_URL_READER=address)
    pool = MetricDatabase()
    made = QueryRunner(list_queries(pool, open_redis()), THREADS)
    assert find_failed(read_all(made)) == set()
    with pytest.raises(psycopg2.errors.InsufficientPrivilege), pool.begin_read() as fetch:
        fetch("SELECT email FROM users", {})
    with pytest.raises(psycopg2.errors.ReadOnlySqlTransaction), pool.begin_read() as fetch:
        fetch("CREATE TEMP TABLE written (id int)", {})
    made.close()
    pool.close()


def test_what_is_written_can_be_parsed_and_is_in_the_catalogue(runner: QueryRunner) -> None:
    families = list(text_string_to_metric_families(write_text(runner.collect(20)).decode()))
    named = {
        find_definition(sample.name.removeprefix(PREFIX)).name for each in families for sample in each.samples
    }
    assert {"notifications_total", "notification_delay_seconds", "redis_aof_enabled"} <= named


def test_the_page_says_what_the_catalogue_says() -> None:
    rows = re.findall(
        r"^\| `(\w+)` \| (.*?) \| (\w+) \| (.*?) \| (.*?) \|$", _PAGE.read_text("utf-8"), re.MULTILINE
    )
    written = {
        name: (tuple(re.findall(r"`(\w+)`", labels)), kind, unit, meaning)
        for name, labels, kind, unit, meaning in rows
    }
    assert written == {each.name: (each.labels, each.kind, each.unit, each.meaning) for each in METRICS}


def test_the_number_of_series_is_bounded() -> None:
    assert sum(each.most for each in METRICS) <= _MOST_SERIES
    crowd = [Sample("queue_jobs", number, (f"queue-{number}",)) for number in range(10_000)]
    assert write_text(crowd).count(b"rdvpriority_queue_jobs{") == find_definition("queue_jobs").most


@pytest.mark.parametrize(
    "value", ["person@example.org", "+33 6 12 34 56 78", "12, rue de la Paix", "é", "", "x" * 200]
)
def test_a_label_holds_nothing_of_a_person(value: str) -> None:
    assert clean_label(value) == "other"
    assert value not in write_text([Sample("desks", 1, (value,))]).decode() or not value


def test_without_postgresql_redis_is_still_read(
    redis_server: Any, settings_env: Callable[..., None], closed_port: int
) -> None:
    settings_env(DATABASE_URL=f"postgresql://nobody@127.0.0.1:{closed_port}/none")
    runner = QueryRunner(list_queries(MetricDatabase(), open_redis()), THREADS)
    found = read_all(runner)
    assert find_failed(found) == {
        "checks", "messages", "desks", "letters", "answers", "jobs", "records", "postgres", "payments", "size",
    }  # fmt: skip
    assert found["redis_aof_enabled"]
    assert "checks_total" not in found
    runner.close()


def test_without_redis_postgresql_is_still_read(
    database: str, settings_env: Callable[..., None], closed_port: int
) -> None:
    settings_env(REDIS_URL=f"redis://127.0.0.1:{closed_port}/0")
    pool = MetricDatabase()
    runner = QueryRunner(list_queries(pool, open_redis()), THREADS)
    found = read_all(runner)
    assert find_failed(found) == {"redis", "queues"}
    assert found["database_connections"]
    runner.close()
    pool.close()


def test_a_table_that_is_locked_hides_no_other_read(runner: QueryRunner, database: str) -> None:
    locker = psycopg2.connect(database.replace("+psycopg2", ""))
    with locker.cursor() as cursor:
        cursor.execute("LOCK TABLE payments IN ACCESS EXCLUSIVE MODE")
        found = read_all(runner)
    locker.close()
    assert find_failed(found) == {"payments"}
    assert found["incidents_open" if "incidents_open" in found else "dead_letters"]


def test_a_read_that_hangs_is_named_and_begun_once() -> None:
    goes_on, calls = Event(), []

    def hang() -> list[Sample]:
        calls.append(1)
        goes_on.wait(60)
        return [Sample("dead_letters", 1)]

    queries = [Query("stuck", "one", hang), Query("well", "two", lambda: [Sample("outages_open", 1)])]
    runner = QueryRunner(queries, {"one": 1, "two": 1})
    begun = time.monotonic()
    for _ in range(3):
        found = read_all(runner, 0.05)
        assert find_failed(found) == {"stuck"}
        assert found["outages_open"] == [Sample("outages_open", 1)]
    assert time.monotonic() - begun < 5
    assert calls == [1]
    goes_on.set()
    assert find_failed(read_all(runner)) == set()
    runner.close()


def test_scrapes_within_a_period_cost_one_read() -> None:
    calls: list[int] = []

    def read() -> list[Sample]:
        calls.append(1)
        return [Sample("outages_open", len(calls))]

    runner = QueryRunner([Query("counted", "one", read)], {"one": 1})
    assert [read_all(runner)["outages_open"][0].value for _ in range(5)] == [1] * 5
    runner.close()
