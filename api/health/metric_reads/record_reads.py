"""Metrics of what programs record: answers, payments, incidents, runs of jobs, backups and keys."""

from datetime import UTC, datetime, timedelta
from typing import Any

from api.health.metric_reads.database import MetricDatabase, first_id_at, list_periods
from api.health.metric_reads.sample import GrowthCounter, Labels, Sample
from configs.clock import clock
from configs.plan import PlanName

_HOUR, _DAY = timedelta(hours=1), timedelta(days=1)
_ANSWERS_FOR = timedelta(hours=3)  # an answer may change for an hour
_PAYMENTS_FOR = timedelta(days=60)
STATUSES = ("PENDING", "COMPLETED", "FAILED", "REFUNDED")
ANSWERS = ("found", "too_late", "nothing_there", "stopped")

_ANSWERS = """
SELECT date_bin('1 hour', answered_at, '1970-01-01 00:00+00'), value, count(*) FROM answers
WHERE answered_at >= %(since)s GROUP BY 1, 2
"""
_FALSE_ALARMS = "SELECT count(*) FROM answers WHERE value = 'nothing_there' AND answered_at >= %(since)s"
_PAYMENTS = """
SELECT date_bin('1 day', created_at, '1970-01-01 00:00+00'), plan, status, count(*) FROM payments
WHERE id >= %(first)s AND created_at >= %(since)s GROUP BY 1, 2, 3
"""
_EVENTS = "SELECT count(*) FROM stripe_events WHERE next_attempt_at IS NOT NULL"
_INCIDENTS = "SELECT reason, count(*) FROM incidents WHERE ends_at IS NULL GROUP BY 1"
# A loop over the index, once for each job: a month has very many runs of those that are due each minute.
_SUCCESSES = """
WITH RECURSIVE jobs AS (
  (SELECT job FROM job_runs ORDER BY job LIMIT 1)
  UNION ALL
  SELECT (SELECT r.job FROM job_runs r WHERE r.job > jobs.job ORDER BY r.job LIMIT 1)
  FROM jobs WHERE jobs.job IS NOT NULL
)
SELECT job, (
  SELECT ended_at FROM job_runs r WHERE r.job = jobs.job AND r.result = 'done' ORDER BY due_at DESC LIMIT 1
) FROM jobs WHERE job IS NOT NULL
"""
_FAILURES = """
SELECT date_bin('1 hour', due_at, '1970-01-01 00:00+00'), job, count(*) FROM job_runs
WHERE due_at >= %(since)s AND result = 'failed' GROUP BY 1, 2
"""
_BACKUPS = "SELECT part, finished_at FROM backup_states WHERE finished_at IS NOT NULL"
# The value that signs or encrypts; those that only still verify have no such instant.
_KEYS = "SELECT name, min(first_since) FROM key_sightings WHERE first_since IS NOT NULL GROUP BY name"


class AnswerMetrics:
    """Counts the answers to alerts."""

    def __init__(self, database: MetricDatabase) -> None:
        self._database, self._answers = database, GrowthCounter()
        self._answers.expect((value,) for value in ANSWERS)

    def read_samples(self) -> list[Sample]:
        """Read the answers of the last hours.

        Raises:
            psycopg2.Error: the server is away or too slow.
        """
        now = clock()
        periods = list_periods(now, _HOUR, _ANSWERS_FOR)
        with self._database.begin_read() as fetch:
            rows = fetch(_ANSWERS, {"since": periods[-1]})
            false = fetch(_FALSE_ALARMS, {"since": now - _HOUR})[0][0]
        _update(self._answers, periods, rows)
        return [*self._answers.list_samples("answers_total"), Sample("false_alarms_hour", false)]


class PaymentMetrics:
    """Counts the payments by what became of them, and the events of Stripe's that wait."""

    def __init__(self, database: MetricDatabase) -> None:
        self._database, self._payments = database, GrowthCounter()
        self._payments.expect(
            (plan, status) for plan in PlanName if plan is not PlanName.NONE for status in STATUSES
        )

    def read_samples(self) -> list[Sample]:
        """Read the payments that were begun in the last sixty days.

        Raises:
            psycopg2.Error: the server is away or too slow.
        """
        periods = list_periods(clock(), _DAY, _PAYMENTS_FOR)
        since = periods[-1]
        with self._database.begin_read() as fetch:
            rows = fetch(_PAYMENTS, {"first": first_id_at(since - _HOUR), "since": since})
            events = fetch(_EVENTS, {})[0][0]
        _update(self._payments, periods, rows)
        return [*self._payments.list_samples("payments_total"), Sample("payment_events_waiting", events)]


class JobMetrics:
    """Runs of the background jobs."""

    def __init__(self, database: MetricDatabase) -> None:
        self._database, self._failures = database, GrowthCounter()

    def read_samples(self) -> list[Sample]:
        """Read each job's last success, and the failures of the last day.

        Raises:
            psycopg2.Error: the server is away or too slow.
        """
        periods = list_periods(clock(), _HOUR, _DAY)
        with self._database.begin_read() as fetch:
            successes = fetch(_SUCCESSES, {})
            failures = fetch(_FAILURES, {"since": periods[-1]})
        self._failures.expect((job,) for job, _ in successes)
        _update(self._failures, periods, failures)
        times = [
            Sample("job_last_success_timestamp_seconds", at.timestamp(), (job,))
            for job, at in successes
            if at
        ]
        return [*times, *self._failures.list_samples("job_failures_total")]


class RecordMetrics:
    """Open incidents, the newest backups, and since when keys are in use."""

    def __init__(self, database: MetricDatabase) -> None:
        self._database = database

    def read_samples(self) -> list[Sample]:
        """Read three small tables.

        Raises:
            psycopg2.Error: the server is away or too slow.
        """
        with self._database.begin_read() as fetch:
            incidents, backups, keys = (fetch(query, {}) for query in (_INCIDENTS, _BACKUPS, _KEYS))
        return [
            *(Sample("incidents_open", number, (reason,)) for reason, number in incidents),
            *(
                Sample("backup_last_success_timestamp_seconds", at.timestamp(), (part,))
                for part, at in backups
            ),
            *(Sample("key_oldest_timestamp_seconds", at.timestamp(), (name,)) for name, at in keys),
        ]


def _update(counter: GrowthCounter, periods: list[datetime], rows: list[tuple[Any, ...]]) -> None:
    """Give a counter rows of a period, labels and a number."""
    sums: dict[datetime, dict[Labels, float]] = {}
    for period, *labels, number in rows:
        sums.setdefault(period.astimezone(UTC), {})[tuple(labels)] = number
    counter.update(periods, sums)
    counter.forget_before(periods[-1])
