"""Catalogue of all metrics: names without the prefix, kinds, labels, units and meanings.

docs/reference/metrics.md says the same; a test compares both, and what the exporter writes with this.
"""

import re
from typing import Literal, NamedTuple

PREFIX = "rdvpriority_"
OTHER = "other"  # replaces a label's value that is not of the expected form
_VALUE = re.compile(r"[A-Za-z0-9_.+/:<>-]{1,120}")
Kind = Literal["counter", "gauge", "histogram"]


class MetricDefinition(NamedTuple):
    """One metric. `most` bounds its series, so that no label can fill the memory of a Prometheus."""

    name: str
    kind: Kind
    meaning: str
    labels: tuple[str, ...] = ()
    unit: str = ""
    most: int = 1


_D = MetricDefinition
METRICS = (
    _D("checks_total", "counter", "checks that ended", ("system", "platform", "outcome"), most=600),
    _D(
        "check_lateness_seconds", "gauge", "how much later than planned checks of the last 10 minutes began",
        ("quantile",), "seconds", 2,
    ),
    _D("desk_interval_ratio", "gauge", "achieved interval ÷ promised interval", ("quantile",), "ratio", 2),
    _D("desks", "gauge", "desks that are watched, by status", ("status",), most=8),
    _D("desks_unproven", "gauge", "desks with waiting users and without a proven answer for 5 intervals"),
    _D("host_resting", "gauge", "hosts that rest or are stopped", ("reason",), most=12),
    _D("outages_open", "gauge", "desks that are not watched at present"),
    _D("queue_jobs", "gauge", "jobs that wait", ("queue",), most=60),
    _D("queue_oldest_seconds", "gauge", "age of a queue's first job", ("queue",), "seconds", 60),
    _D("due_desks", "gauge", "desks that are due and that a spider could claim", ("system",), most=20),
    _D(
        "notifications_total", "counter", "messages, by what became of them", ("channel", "provider", "state"), most=140
    ),
    _D(
        "notification_delay_seconds", "histogram", "from reading the page to a provider's acceptance", ("channel",),
        "seconds", 60,
    ),
    _D("notifications_no_receipt", "gauge", "messages of the last hour that lack a receipt", ("channel",), most=5),
    _D("delivery_ratio", "gauge", "delivered ÷ messages with a known fate, in the last hour", ("channel",), "ratio", 5),
    _D("bounce_ratio", "gauge", "bounced ÷ mails with a known fate, in the last hour", unit="ratio"),
    _D("breaker_open", "gauge", "1 while a provider is left alone", ("provider",), most=12),
    _D("dead_letters", "gauge", "messages that failed for good, 10,000 at most"),
    _D("sms_cost_cents_today", "gauge", "cost of SMS and calls since midnight UTC", unit="cents"),
    _D("sms_cost_limit_cents", "gauge", "cost of a day at which SMS and calls stop (SMS_DAY_STOP)", unit="cents"),
    _D("answers_total", "counter", "answers of subscribers to alerts", ("answer",), most=4),
    _D("false_alarms_hour", "gauge", "answers of the last hour that no slot was there"),
    _D("payments_total", "counter", "payments that came into a status", ("plan", "status"), most=40),
    _D("payment_events_waiting", "gauge", "events of Stripe's that are still to be applied"),
    _D("incidents_open", "gauge", "incidents without an end", ("kind",), most=40),
    _D("job_last_success_timestamp_seconds", "gauge", "end of a job's last good run", ("job",), "unix seconds", 100),
    _D("job_failures_total", "counter", "runs of a job that failed", ("job",), most=100),
    _D(
        "backup_last_success_timestamp_seconds", "gauge", "end of the newest complete backup", ("kind",),
        "unix seconds", 10,
    ),
    _D("key_oldest_timestamp_seconds", "gauge", "since when the key's value is in use", ("key",), "unix seconds", 40),
    _D("certificate_end_timestamp_seconds", "gauge", "end of the certificate in CERTIFICATE_FILE", (), "unix seconds"),
    _D("health_part_state", "gauge", "a part of /api/health: 0 ok, 1 degraded, 2 down", ("part",), most=60),
    _D("database_connections", "gauge", "connections to PostgreSQL, all programs together"),
    _D("database_connections_limit", "gauge", "max_connections"),
    _D("database_cache_hit_ratio", "gauge", "blocks found in memory ÷ all, in the last 5 minutes", unit="ratio"),
    _D("database_size_bytes", "gauge", "size of the database", unit="bytes"),
    _D("database_query_seconds", "histogram", "statements of the API", (), "seconds", 12),
    _D("redis_memory_bytes", "gauge", "memory of the data in Redis", unit="bytes"),
    _D("redis_memory_limit_bytes", "gauge", "maxmemory; 0: without a limit", unit="bytes"),
    _D("redis_evicted_keys_total", "counter", "keys that Redis threw away"),
    _D("redis_policy_noeviction", "gauge", "1 if Redis throws nothing away"),
    _D("redis_aof_enabled", "gauge", "1 if Redis writes its append-only file"),
    _D("proofs_waiting", "gauge", "proofs that are not in their store yet"),
    _D("http_requests_total", "counter", "requests to the API", ("route", "method", "status"), most=4000),
    _D("http_request_seconds", "histogram", "time to an answer of the API", ("route",), "seconds", 6000),
    _D("metrics_query_seconds", "gauge", "duration of a read of the exporter's", ("query",), "seconds", 20),
    _D("metrics_query_failed", "gauge", "1 if a read of the exporter's failed or hangs", ("query",), most=20),
)  # fmt: skip
BY_NAME = {each.name: each for each in METRICS}
_PARTS = ("_bucket", "_count", "_sum")  # of a histogram


def find_definition(sample: str) -> MetricDefinition:
    """Return the metric of a sample's name, also of a histogram's part.

    Raises:
        KeyError: there is none.
    """
    if sample in BY_NAME:
        return BY_NAME[sample]
    for part in _PARTS:
        if sample.endswith(part) and BY_NAME[sample.removesuffix(part)].kind == "histogram":
            return BY_NAME[sample.removesuffix(part)]
    raise KeyError(sample)


def list_labels(sample: str) -> tuple[str, ...]:
    """Return the names of a sample's labels, in the order of its values."""
    found = find_definition(sample)
    return (*found.labels, "le") if sample.endswith("_bucket") else found.labels


def clean_label(value: str) -> str:
    """Return a label's value; `other` replaces an unexpected one, which may be personal data."""
    return value if _VALUE.fullmatch(value) else OTHER
