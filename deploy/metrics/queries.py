"""List of all metrics: names without the prefix, labels, units, meanings, and the SQL of those that tables have.

docs/alarms.md says how they are read; tests compare what the exporter writes with this list. SQL returns the labels'
values and then the value, of bounded time: %(now)s, and ids (UUIDv7) from %(hour_id)s and %(day_id)s on.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

PREFIX = "rdvpriority_"
_RANDOM_BITS = 80  # of a UUIDv7, behind its 48 bits of milliseconds


class Metric(NamedTuple):
    """A metric: a counter where its name ends with `_total`, else a gauge, where `kind` says nothing else.

    Its `sql` is one statement; metrics without one are read in collector.py.
    """

    name: str
    labels: tuple[str, ...]
    unit: str
    meaning: str
    sql: str = ""
    histogram: bool = False

    @property
    def kind(self) -> str:
        """Return the word of Prometheus."""
        return "histogram" if self.histogram else "counter" if self.name.endswith("_total") else "gauge"


# After a check that proved nothing its desk rests, which is no lateness. The jitter of an interval is not stored: a
# check is late when it is later than the largest allows.
_LATENESS = """
WITH gaps AS (
  SELECT extract(epoch FROM c.started_at - lag(c.started_at) OVER w) AS gap, lag(c.outcome) OVER w AS before,
    greatest(d.wished_seconds, d.share_seconds) * (1 + %(jitter)s) AS planned
  FROM checks c JOIN desks d ON d.id = c.desk_id
  WHERE c.started_at >= %(now)s - interval '10 minutes' AND c.started_at < %(now)s + interval '1 minute'
    AND NOT c.probe
  WINDOW w AS (PARTITION BY c.desk_id ORDER BY c.started_at)
), late AS (
  SELECT percentile_cont(ARRAY[0.5, 0.95]) WITHIN GROUP (ORDER BY greatest(0, gap - planned)) AS seconds
  FROM gaps WHERE before IN ('slots', 'no_slots') AND planned > 0
) SELECT q, s FROM late, unnest(ARRAY['0.5', '0.95'], seconds) AS each (q, s) WHERE s IS NOT NULL
"""
_RATIOS = """
WITH achieved AS (
  SELECT percentile_cont(ARRAY[0.5, 0.95]) WITHIN GROUP (
    ORDER BY achieved_seconds / greatest(wished_seconds, feasible_seconds)) AS ratios
  FROM desks WHERE due_queue IS NOT NULL AND wished_seconds > 0
) SELECT q, r FROM achieved, unnest(ARRAY['0.5', '0.95'], ratios) AS each (q, r) WHERE r IS NOT NULL
"""
# Of alerts that were sent at once: one that catches up, or waited as its reader wished, says nothing of our delay.
_DELAYS = """
WITH delays AS (
  SELECT channel, percentile_cont(ARRAY[0.5, 0.95]) WITHIN GROUP (
    ORDER BY extract(epoch FROM accepted_at - seen_at)) AS seconds
  FROM notifications
  WHERE id >= %(hour_id)s AND kind = 'slot_detected' AND committed_at IS NOT NULL AND accepted_at IS NOT NULL
  GROUP BY channel
) SELECT channel, q, s FROM delays, unnest(ARRAY['0.5', '0.95'], seconds) AS each (q, s) WHERE s IS NOT NULL
"""
_M = Metric
METRICS = (
    _M("checks_recent", ("system", "outcome"), "", "checks of the last 5 minutes", """
        SELECT coalesce(d.due_queue, 'none'), c.outcome, count(*) FROM checks c LEFT JOIN desks d ON d.id = c.desk_id
        WHERE c.started_at >= %(now)s - interval '5 minutes' AND c.started_at < %(now)s + interval '1 minute'
        GROUP BY 1, 2"""),
    _M("check_lateness_seconds", ("quantile",), "seconds",
       "how much later than planned checks of the last 10 minutes began", _LATENESS),
    _M("desk_interval_ratio", ("quantile",), "ratio", "achieved interval ÷ promised interval", _RATIOS),
    _M("desks", ("status",), "", "desks that are watched, by status",
       "SELECT status, count(*) FROM desks WHERE due_queue IS NOT NULL GROUP BY 1"),
    _M("host_resting", ("reason",), "", "hosts that rest or are stopped", """
        SELECT CASE WHEN stopped_at IS NOT NULL THEN 'stopped' ELSE coalesce(rest_reason, 'other') END, count(*)
        FROM hosts WHERE stopped_at IS NOT NULL OR rests_until > %(now)s GROUP BY 1"""),
    _M("outages_open", (), "", "desks that are not watched at present",
       "SELECT count(*) FROM outages WHERE ends_at IS NULL"),
    _M("incidents_open", ("kind",), "", "incidents without an end",
       "SELECT reason, count(*) FROM incidents WHERE ends_at IS NULL GROUP BY 1"),
    _M("queue_jobs", ("queue",), "", "jobs that wait"),
    _M("queue_oldest_seconds", ("queue",), "seconds", "age of a queue's first job"),
    _M("due_desks", ("system",), "", "desks that are due and that a spider could claim"),
    _M("notifications_hour", ("channel", "provider", "state"), "", "messages of the last hour, by state", """
        SELECT channel, coalesce(provider, 'none'), state, count(*) FROM notifications WHERE id >= %(hour_id)s
        GROUP BY 1, 2, 3"""),
    _M("notification_delay_seconds", ("channel", "quantile"), "seconds",
       "from reading the page to a provider's acceptance, in the last hour", _DELAYS),
    _M("breaker_open", ("provider",), "", "1 while a provider is left alone"),
    _M("dead_letters", (), "", "messages that failed for good, 10,000 at most",
       "SELECT count(*) FROM (SELECT FROM notifications WHERE state = 'failed' LIMIT 10000) AS dead"),
    _M("sms_cost_cents_today", (), "cents", "estimated cost of SMS and calls since midnight UTC", """
        SELECT coalesce(sum(cost), 0) * 100 FROM notifications
        WHERE channel IN ('sms', 'voice') AND accepted_at IS NOT NULL
          AND accepted_at >= date_trunc('day', %(now)s AT TIME ZONE 'UTC') AT TIME ZONE 'UTC'"""),
    _M("unknown_copies_today", ("channel",), "",
       "SMS and calls written since midnight UTC that may have been accepted, without a yes", """
        SELECT channel, sum(unknown_attempts) FROM notifications
        WHERE id >= %(day_id)s AND channel IN ('sms', 'voice') AND unknown_attempts > 0
          AND created_at >= date_trunc('day', %(now)s AT TIME ZONE 'UTC') AT TIME ZONE 'UTC'
        GROUP BY 1"""),
    _M("answers_hour", ("answer",), "", "answers of subscribers to alerts, in the last hour",
       "SELECT value, count(*) FROM answers WHERE answered_at >= %(now)s - interval '1 hour' GROUP BY 1"),
    _M("payments_day", ("plan", "status"), "", "payments that were begun in the last 24 hours, by status",
       "SELECT plan, status, count(*) FROM payments WHERE id >= %(day_id)s GROUP BY 1, 2"),
    _M("payment_events_waiting", (), "", "events of Stripe's that are still to be applied",
       "SELECT count(*) FROM stripe_events WHERE next_attempt_at IS NOT NULL"),
    _M("job_last_success_timestamp_seconds", ("job",), "unix seconds", "when a job was due that was done", """
        SELECT name, extract(epoch FROM done_for) FROM jobs WHERE done_for IS NOT NULL"""),
    _M("job_failures_hour", ("job",), "", "1 where a job failed for good in the last hour",
       "SELECT name, 1 FROM jobs WHERE failed_at >= %(now)s - interval '1 hour'"),
    _M("backup_last_success_timestamp_seconds", ("kind",), "unix seconds", "end of the newest complete backup",
       "SELECT part, extract(epoch FROM finished_at) FROM backup_states WHERE finished_at IS NOT NULL"),
    _M("health_part_state", ("part",), "", "a part of /api/health: 0 ok, 1 degraded, 2 down"),
    _M("backup_hour", (), "hours", "BACKUP_HOUR, on a server with backups"),
    _M("certificate_days", ("host",), "days", "how long the site's certificate is good, as visitors get it"),
    _M("database_connections", (), "", "connections to PostgreSQL, all programs together",
       "SELECT sum(numbackends) FROM pg_stat_database"),
    _M("database_connections_limit", (), "", "max_connections", "SELECT current_setting('max_connections')::int"),
    _M("database_blocks_total", ("source",), "", "blocks that PostgreSQL read", """
        SELECT source, blocks FROM pg_stat_database, unnest(ARRAY['memory', 'disk'], ARRAY[blks_hit, blks_read])
          AS each (source, blocks) WHERE datname = current_database()"""),
    _M("database_size_bytes", (), "bytes", "size of the database", "SELECT pg_database_size(current_database())"),
    _M("database_query_seconds", (), "seconds", "statements of the API", histogram=True),
    _M("redis_memory_bytes", (), "bytes", "memory of the data in Redis"),
    _M("redis_memory_limit_bytes", (), "bytes", "maxmemory; 0: without a limit"),
    _M("redis_aof_enabled", (), "", "1 if Redis writes its append-only file"),
    _M("proofs_waiting", (), "", "proofs that are not in their store yet"),
    _M("http_requests_total", ("route", "method", "status"), "", "requests to the API"),
    _M("http_request_seconds", ("route",), "seconds", "time to an answer of the API", histogram=True),
    _M("metrics_query_seconds", ("query",), "seconds", "duration of a read of the exporter's"),
    _M("metrics_query_failed", ("query",), "", "1 if a read of the exporter's failed or hangs"),
)  # fmt: skip
BY_NAME = {each.name: each for each in METRICS}


def list_queries() -> Iterator[tuple[str, str]]:
    """Yield the metrics that tables have, and their SQL."""
    return ((each.name, each.sql) for each in METRICS if each.sql)


def build_parameters(now: datetime, jitter: float) -> dict[str, Any]:
    """Return the values of the parameters."""
    now = now.astimezone(UTC)
    return {
        "now": now,
        "jitter": jitter,
        "hour_id": _first_id_at(now - timedelta(hours=1)),
        "day_id": _first_id_at(now - timedelta(days=1)),
    }


def _first_id_at(moment: datetime) -> str:
    """Return the smallest UUIDv7 that a row made at `moment` can have (api/ground/paging.py, without SQLAlchemy)."""
    return str(UUID(int=int(moment.timestamp() * 1000) << _RANDOM_BITS))
