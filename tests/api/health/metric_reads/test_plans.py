"""Reads of the metrics in large tables: by index, and of what happened."""

import re
from collections.abc import Callable, Mapping
from contextlib import contextmanager
from typing import Any

import pytest
import sqlalchemy as sa

from api.health.metric_reads.check_reads import CheckMetrics, DeskMetrics
from api.health.metric_reads.database import Fetch, MetricDatabase
from api.health.metric_reads.message_reads import LetterMetrics, MessageMetrics
from api.health.metric_reads.record_reads import AnswerMetrics, JobMetrics, PaymentMetrics, RecordMetrics
from api.health.metric_reads.server_reads import PostgresMetrics, SizeMetrics
from api.models.base import session
from configs.clock import clock

_LARGE = (
    "checks",
    "notifications",
    "answers",
    "payments",
    "job_runs",
    "incidents",
    "stripe_events",
    "outages",
)
_MAKE_ID = """
CREATE OR REPLACE FUNCTION pg_temp.make_id(t timestamptz, n bigint) RETURNS uuid LANGUAGE sql AS $$
  SELECT (lpad(to_hex((extract(epoch FROM t) * 1000)::bigint), 12, '0') || '7' || substr(md5(n::text), 1, 19))::uuid $$;
"""
_SEED = """
SET LOCAL session_replication_role = replica;
INSERT INTO checks (started_at, desk_id, outcome, evidence, milliseconds, requests, slots_seen, covered, process)
  SELECT :now - n * interval '1 second', 'bobigny_93/d' || n % 200, 'no_slots', '', 5, 1, 0, '[]', 'x'
  FROM generate_series(1, 30000) n;
INSERT INTO notifications (id, user_id, channel, kind, priority, dedupe_key, state, reason, next_attempt_at,
  next_nudge_at, created_at, accepted_at, seen_at, committed_at, provider)
  SELECT pg_temp.make_id(t, n), gen_random_uuid(), 'email', 'slot_detected', 'critical', n::text,
    CASE WHEN n % 50 = 0 THEN 'bounced' ELSE 'delivered' END, 'x', t, t, t, t + interval '300 milliseconds', t, t,
    'sendgrid'
  FROM (SELECT n, :now - n * interval '20 seconds' t FROM generate_series(1, 30000) n) made;
INSERT INTO answers (match_id, value, answered_at, via)
  SELECT gen_random_uuid(), 'found', :now - n * interval '1 minute', 'email' FROM generate_series(1, 30000) n;
INSERT INTO payments (id, plan, amount_cents, status, created_at)
  SELECT pg_temp.make_id(t, n), 'URGENCE_7J', 1900, 'COMPLETED', t
  FROM (SELECT n, :now - n * interval '20 minutes' t FROM generate_series(1, 30000) n) made;
INSERT INTO job_runs (id, job, due_at, started_at, ended_at, result, next_nudge_at)
  SELECT gen_random_uuid(), 'job' || n % 20, t, t, t, CASE WHEN n % 100 = 1 THEN 'failed' ELSE 'done' END, t
  FROM (SELECT n, :now - n * interval '30 seconds' t FROM generate_series(1, 30000) n) made;
INSERT INTO incidents (subject, reason, starts_at, seen_at, ends_at)
  SELECT 'host' || n, 'blocked', :now, :now, :now FROM generate_series(1, 30000) n;
"""
_LATER = """
SET LOCAL session_replication_role = replica;
INSERT INTO notifications (id, user_id, channel, kind, priority, dedupe_key, state, next_attempt_at, next_nudge_at,
  created_at, accepted_at, seen_at, committed_at, provider)
  SELECT pg_temp.make_id(t, n), gen_random_uuid(), 'email', 'slot_detected', 'critical', 'new' || n, 'sent', t, t, t,
    t + interval '300 milliseconds', t, t, 'sendgrid'
  FROM (SELECT n, CAST(:now AS timestamptz) t FROM generate_series(1, 3) n) made;
UPDATE notifications SET state = 'failed', failed_at = :now WHERE dedupe_key = '5';
INSERT INTO checks (started_at, desk_id, outcome, evidence, milliseconds, requests, slots_seen, covered, process)
  VALUES (:now, 'bobigny_93/d1', 'slots', '', 5, 1, 1, '[]', 'x');
"""


def run_script(script: str) -> None:
    """Run its statements in one transaction."""
    with session() as s:
        for statement in filter(str.strip, re.split(r";\n", script)):
            s.execute(sa.text(statement), {"now": clock()} if ":now" in statement else {})


class PlanningDatabase(MetricDatabase):
    """Reads as usual, and notes the plan of each statement."""

    def __init__(self) -> None:
        super().__init__()
        self.plans: dict[str, str] = {}

    @contextmanager
    def begin_read(self) -> Any:
        """Give a function that runs a statement, and explains it."""
        with super().begin_read() as fetch:

            def explain(statement: str, given: Mapping[str, Any]) -> list[tuple[Any, ...]]:
                lines = fetch(f"EXPLAIN {statement}", given)
                self.plans[statement] = "\n".join(line for (line,) in lines)
                return fetch(statement, given)

            noting: Fetch = explain
            yield noting


@pytest.fixture
def crowded(database: str) -> None:
    run_script(_MAKE_ID + _SEED)
    with session() as s:
        s.execute(sa.text("ANALYZE"))


def build_reads(database: MetricDatabase) -> dict[str, Callable[[], Any]]:
    kinds = (
        CheckMetrics, DeskMetrics, MessageMetrics, LetterMetrics, AnswerMetrics, JobMetrics, PaymentMetrics,
        RecordMetrics, PostgresMetrics, SizeMetrics,
    )  # fmt: skip
    return {kind.__name__: kind(database).read_samples for kind in kinds}


@pytest.mark.usefixtures("crowded")
def test_no_read_looks_at_every_row_of_a_table_that_grows() -> None:
    database = PlanningDatabase()
    for read in build_reads(database).values():
        read()
    scans = re.compile(rf"Seq Scan on ({'|'.join(_LARGE)})(_\d{{8}})?\b")
    found = {match[0]: plan for plan in database.plans.values() for match in scans.finditer(plan)}
    # partitions of days ahead are empty, and a scan of them costs nothing
    found = {name: plan for name, plan in found.items() if not name.startswith("Seq Scan on checks_")}
    empty = {f"Seq Scan on {name}" for name in ("stripe_events", "outages")}
    assert {name: plan for name, plan in found.items() if name not in empty} == {}
    database.close()


@pytest.mark.usefixtures("crowded")
def test_ratios_and_counters_are_of_what_happened() -> None:
    database = MetricDatabase()
    messages, checks = MessageMetrics(database), CheckMetrics(database)
    first = {sample[:1] + sample[2:]: sample.value for sample in messages.read_samples()}
    assert first["delivery_ratio", ("email",)] == pytest.approx(0.98, abs=0.02)
    assert first["notifications_total", ("email", "sendgrid", "delivered")] == 0
    checks.read_samples()
    run_script(_MAKE_ID + _LATER)
    second = {sample[:1] + sample[2:]: sample.value for sample in messages.read_samples()}
    assert second["notifications_total", ("email", "sendgrid", "sent")] == 3
    assert second["notifications_total", ("email", "sendgrid", "failed")] == 1
    assert second["notification_delay_seconds_bucket", ("email", "0.25")] == 0
    assert second["notification_delay_seconds_bucket", ("email", "0.5")] == 3
    assert second["notification_delay_seconds_count", ("email",)] == 3
    assert second["notification_delay_seconds_sum", ("email",)] == pytest.approx(0.9)
    for _ in range(2):
        counted = {sample[:1] + sample[2:]: sample.value for sample in checks.read_samples()}
        assert counted["checks_total", ("none", "none", "slots")] == 1
    assert not any(counted[key] for key in counted if key[0] == "checks_total" and "no_slots" in key[1])
    database.close()
