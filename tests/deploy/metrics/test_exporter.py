"""The exporter writes what its list and the documentation name, whatever the servers do."""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any

import psutil
import psycopg2
import pytest
import sqlalchemy as sa
import time_machine
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy.engine import make_url

from api.admin.health.providers import list_providers
from api.migrations.logins import make_logins, parse_logins
from api.models.backup_state import BackupState
from api.models.base import session
from api.models.check import Check
from api.models.desk import DeskState, HostState
from api.models.incident import Incident
from api.models.job import JobState
from api.models.notification import Notification
from api.models.user import Channel
from configs.ground.clock import clock
from configs.ground.redis import open_redis
from configs.programs.circuit_breaker import CircuitBreaker
from configs.programs.jobs import push
from configs.programs.loop_report import LoopReport, write_report
from deploy.metrics.collector import PATIENCE, ProductCollector, build_family, clean_label, list_breakers
from deploy.metrics.queries import BY_NAME, METRICS, PREFIX
from tests.factories import remove
from tests.in_turn import in_turn
from tests.waiting import until, wait_for_port

PROMETHEUS_SECONDS = 10.0  # scrape_timeout in deploy/prometheus/prometheus.yml
Values = dict[str, dict[tuple[str, ...], float]]


def scrape() -> Values:
    """Return what a new exporter finds: values by name and labels."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(ProductCollector())
    return parse(generate_latest(registry).decode())


def parse(text: str) -> Values:
    found: Values = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            name = sample.name.removeprefix(PREFIX)
            values = found.setdefault(name, {})
            order = BY_NAME[name].labels if name in BY_NAME else sorted(sample.labels)
            values[tuple(sample.labels[label] for label in order)] = sample.value
    return found


def find_failed(found: Values) -> set[str]:
    return {query for (query,), failed in found["metrics_query_failed"].items() if failed}


def run(*statements: str) -> None:
    """Write rows without their rows' owners."""
    with session() as s:
        s.execute(sa.text("SET LOCAL session_replication_role = replica"))
        for each in statements:
            s.execute(sa.text(each), {"now": clock()} if ":now" in each else {})


@pytest.mark.usefixtures("database", "redis_server")
def test_every_read_answers_an_empty_world() -> None:
    found = scrape()
    assert find_failed(found) == set()
    assert found["health_part_state"] == {("api",): 2}  # no API runs here
    assert set(found) <= {each.name for each in METRICS}


def test_the_number_of_series_is_bounded_and_a_label_holds_nothing_of_a_person() -> None:
    assert len(build_family("queue_jobs", ((f"queue-{each}", 1) for each in range(10_000))).samples) == 300
    for value in ("person@example.org", "+33 6 12 34 56 78", "12, rue de la Paix", "é", "", "x" * 200):
        assert clean_label(value) == "other"


NOTIFICATION = """
INSERT INTO notifications (id, user_id, channel, kind, priority, dedupe_key, state, reason, next_attempt_at,
  created_at, accepted_at, seen_at, committed_at, failed_at, provider, cost, unknown_attempts)
SELECT (lpad(to_hex((extract(epoch FROM t) * 1000)::bigint), 12, '0') || '7' || substr(md5(n::text), 1, 19))::uuid,
  gen_random_uuid(), 'sms', 'slot_detected', 'critical', n::text, CASE WHEN n < 3 THEN 'delivered' ELSE 'failed' END,
  'x', t, t, t + interval '2 seconds', t, t, t, 'twilio', 0.05,
  CASE WHEN n < 3 THEN 0 ELSE 1 END
FROM (SELECT n, CAST(:now AS timestamptz) - n * interval '1 minute' AS t FROM generate_series(1, 4) n) made
"""
# By name: statements that fill the tables, and the values of the metrics then.
CASES: dict[str, tuple[str, dict[str, dict[tuple[str, ...], float]]]] = {
    "desks": (
        """INSERT INTO desks (id, status, status_reason, due_queue, wished_seconds, share_seconds, feasible_seconds,
             achieved_seconds)
           VALUES ('a', 'ACTIVE', 'watched', 'custom', 30, 10, 60, 90), ('b', 'ACTIVE', '', NULL, 1, 1, 1, 1)""",
        {"desks": {("ACTIVE",): 1}, "desk_interval_ratio": {("0.5",): 1.5, ("0.95",): 1.5}},
    ),
    "hosts": (
        """INSERT INTO hosts (host, rests_until, rest_reason, stopped_at, stop_reason) VALUES
             ('a:443', CAST(:now AS timestamptz) + interval '1 minute', 'blocked', NULL, NULL),
             ('b:443', CAST(:now AS timestamptz) + interval '1 minute', 'a person''s words', NULL, NULL),
             ('c:443', :now, 'blocked', NULL, NULL), ('d:443', NULL, NULL, :now, 'they wrote')""",
        {"host_resting": {("blocked",): 1, ("other",): 1, ("stopped",): 1}},
    ),
    "messages": (
        NOTIFICATION,
        {
            "notifications_hour": {("sms", "twilio", "delivered"): 2, ("sms", "twilio", "failed"): 2},
            "notification_delay_seconds": {("sms", "0.5"): 2, ("sms", "0.95"): 2},
            "dead_letters": {(): 2},
            "sms_cost_cents_today": {(): 20},
            "unknown_copies_today": {("sms",): 2},
        },
    ),
    "checks": (
        """INSERT INTO checks (started_at, desk_id, outcome, evidence, milliseconds, requests, slots_seen, covered,
             process)
           SELECT CAST(:now AS timestamptz) - at * interval '1 second', 'a', outcome, '', 5, 1, 0, '[]', 'x'
           FROM (VALUES (100, 'no_slots'), (37, 'overloaded'), (5, 'slots')) AS made (at, outcome)""",
        {"checks_recent": {("none", each): 1 for each in ("no_slots", "overloaded", "slots")}},
    ),
    "lateness": (
        """WITH desk AS (INSERT INTO desks (id, status, status_reason, due_queue, wished_seconds, share_seconds)
             VALUES ('a', 'ACTIVE', '', 'custom', 60, 10) RETURNING id)
           INSERT INTO checks (started_at, desk_id, outcome, evidence, milliseconds, requests, slots_seen, covered,
             process)
           SELECT CAST(:now AS timestamptz) - at * interval '1 second', id, outcome, '', 5, 1, 0, '[]', 'x'
           FROM desk, (VALUES (300, 'no_slots'), (237, 'overloaded'), (5, 'slots')) AS made (at, outcome)""",
        # what follows a check that proved nothing is a rest
        {"check_lateness_seconds": {("0.5",): 3, ("0.95",): 3}, "checks_recent": {
            ("custom", each): 1 for each in ("no_slots", "overloaded", "slots")}},
    ),
    "jobs": (
        """INSERT INTO jobs (name, due_at, done_for, failed_at) VALUES
             ('a', :now, date_trunc('day', CAST(:now AS timestamptz)) - interval '1 day', NULL),
             ('b', :now, NULL, CAST(:now AS timestamptz) - interval '1 minute')""",
        {"job_last_success_timestamp_seconds": {("a",): 1795564800}, "job_failures_hour": {("b",): 1}},
    ),
    "backups": (
        "INSERT INTO backup_states (part, finished_at) VALUES ('base', :now), ('dump', NULL)",
        {"backup_last_success_timestamp_seconds": {("base",): 1795694400}},
    ),
    "incidents": (
        """INSERT INTO incidents (subject, reason, starts_at, seen_at, ends_at)
           VALUES ('a', 'blocked', :now, :now, NULL), ('b', 'blocked', :now, :now, :now)""",
        {"incidents_open": {("blocked",): 1}, "outages_open": {(): 0}},
    ),
}  # fmt: skip


@pytest.mark.usefixtures("database", "redis_server")
@in_turn("case", CASES)
@time_machine.travel(1795694400, tick=False)  # Thu 26 Nov 2026, 12:00 UTC
def test_a_metric_is_of_what_the_tables_hold(case: str) -> None:
    statement, expected = CASES[case]
    for table in (DeskState, HostState, Notification, Check, JobState, BackupState, Incident):
        remove(table)
    run(statement)
    found = scrape()
    assert {name: found[name] for name in expected} == expected


def test_queues_breakers_and_due_desks(
    redis_server: Any, database: str, frozen: time_machine.Traveller
) -> None:
    push("email-rest", "nowhere.run", (), "one", seconds=10, kept=100)
    frozen.shift(90)
    write_report(open_redis(), LoopReport(at=clock(), queues={"custom": clock()}))
    breaker = CircuitBreaker("twilio", 15)
    for _ in range(3):
        breaker.record_failure(breaker.begin_call())
    found = scrape()
    assert found["queue_jobs"] == {("email-rest",): 1}
    assert found["queue_oldest_seconds"]["email-rest",] == pytest.approx(90, abs=1)
    assert found["due_desks"] == {("custom",): 0}
    assert (found["breaker_open"]["twilio",], found["breaker_open"]["telegram",]) == (1, 0)
    assert set(list_breakers()) == {"stripe", *(name for each in Channel for name in list_providers(each))}


def test_health_is_the_api_s(settings_env: Callable[..., None], database: str, redis_server: Any) -> None:
    parts = {"redis": {"status": "down"}, "keys": {"status": "ok"}}

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(503)
            self.end_headers()
            self.wfile.write(json.dumps({"status": "down", "parts": parts}).encode())

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Answer) as server:
        Thread(target=server.handle_request, daemon=True).start()
        settings_env(METRICS_API_URL=f"http://127.0.0.1:{server.server_port}")
        assert scrape()["health_part_state"] == {("api",): 0, ("redis",): 2, ("keys",): 0}


def test_a_reader_s_rights_are_enough(
    database: str, redis_server: Any, settings_env: Callable[..., None]
) -> None:
    url = make_url(database).set(username="metrics_of_tests", password="metrics-of-tests")
    address = url.render_as_string(hide_password=False)
    make_logins(database, parse_logins({"reader": address}), 60)
    settings_env(PROGRAM="reader", DATABASE_URL_READER=address)
    assert find_failed(scrape()) == set()


def test_a_server_that_is_away_costs_its_own_reads(
    database: str, redis_server: Any, settings_env: Callable[..., None], closed_port: int
) -> None:
    settings_env(DATABASE_URL=f"postgresql://nobody@127.0.0.1:{closed_port}/none")
    found = scrape()
    assert find_failed(found) == {"database"}
    assert found["redis_aof_enabled"]
    settings_env(REDIS_URL=f"redis://127.0.0.1:{closed_port}/0", DATABASE_URL=database)
    found = scrape()
    assert find_failed(found) == {"redis"}
    assert found["database_connections"]


def test_a_table_that_is_locked_hides_no_other_read(redis_server: Any, database: str) -> None:
    locker = psycopg2.connect(database.replace("+psycopg2", ""))
    with locker.cursor() as cursor:
        cursor.execute("LOCK TABLE payments IN ACCESS EXCLUSIVE MODE")
        found = scrape()
    locker.close()
    assert find_failed(found) == {"payments_day"}
    assert found["dead_letters"] == {(): 0}


@pytest.mark.usefixtures("database", "redis_server")
def test_scrapes_within_a_period_cost_one_read() -> None:
    collector = ProductCollector()
    first = list(collector.collect())
    run(NOTIFICATION)
    assert [list(collector.collect()) for _ in range(3)] == [first] * 3


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


def ask(port: int, path: str = "/metrics") -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=PROMETHEUS_SECONDS) as answer:
        return str(answer.read().decode())


@pytest.mark.processes
@pytest.mark.journey
def test_servers_that_hang_or_are_away_cost_their_own_reads_only(
    database: str, redis_server: Any, settings_env: Callable[..., None]
) -> None:
    url, kept = make_url(database), redis_server.connection_pool.connection_kwargs
    with ExitStack() as doors:  # which take connections and never answer, as a stopped process
        listeners = [doors.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(2)]
        tables, queues = (each.getsockname() for each in listeners)
        settings_env(
            DATABASE_URL=url.set(host=tables[0], port=tables[1]).render_as_string(hide_password=False),
            REDIS_URL=f"redis://:{kept['password']}@127.0.0.1:{queues[1]}/{kept['db']}",
        )
        with served() as (port, process):
            begun = time.monotonic()
            assert find_failed(parse(ask(port))) == {"database", "redis"}
            assert time.monotonic() - begun < PATIENCE + 2
            assert ask(port, "/alive") == ""
            doors.close()
            servers = ((url.host or url.query["host"], url.port or 5432), (kept["host"], kept["port"]))
            pairs = json.dumps([*zip((tables, queues), servers, strict=True)])
            with subprocess.Popen([sys.executable, "-m", "tests.whole.relays", pairs]) as relays:
                until(lambda: find_failed(parse(ask(port))) == set(), 60)
                relays.terminate()
            # besides a thread for each source: that of the program, and those of scrapes which end
            assert process.num_threads() <= 4 + 3
