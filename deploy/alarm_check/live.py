"""The board and the alarms on a whole stack: queries give figures, a fault is told and its repair closes the alarm."""

import json
import os
import tempfile
import time
import urllib.request
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path

import sqlalchemy as sa

from api.models.base import session
from api.models.incident import Incident, IncidentReason
from configs.redis import redis_client
from deploy.alarm_check.expressions import (
    find_metrics,
    list_panel_expressions,
    list_recorded,
    list_rule_expressions,
)
from deploy.alarm_check.files import CheckFailed
from deploy.alarm_check.monitors import PrometheusClient, run_monitors
from deploy.local.ports import usual
from deploy.local.seed import OPERATORS_CHAT, seed
from deploy.local.stack import Stack, running, wait_ready
from deploy.sandbox.addresses import INBOX

# What a sandbox of minutes has none of: a certificate, a backup, twenty messages with a known fate, failures.
_ABSENT_HERE = {
    "rdvpriority_answers_total",
    "rdvpriority_backup_last_success_timestamp_seconds",
    "rdvpriority_bounce_ratio",
    "rdvpriority_certificate_end_timestamp_seconds",
    "rdvpriority_delivery_ratio",
    "rdvpriority_host_resting",
    "rdvpriority_incidents_open",
    "rdvpriority_job_failures_total",
    "rdvpriority_notification_delay_seconds_bucket",
    "rdvpriority_notifications_no_receipt",
    "rdvpriority_notifications_total",
    "rdvpriority_payments_total",
    "rdvpriority_queue_oldest_seconds",
}
_START_SECONDS, _READ_SECONDS = 150.0, 240.0
_LONGEST_ALARM = 120.0  # seconds from a fault to the operator's Telegram
_LONGEST_END = 180.0
_FAULT = "RedisPolicyWrong"


def check_live(tools: Mapping[str, str], say: Callable[[str], None]) -> str:
    """Start a stack with Prometheus and Alertmanager beside it, and try them; return a line of figures.

    Raises:
        CheckFailed: a query fails, a metric is missing, or an alarm does not arrive or does not close.
        deploy.local.processes.StartFailed: a program did not come up.
    """
    before = dict(os.environ)
    with tempfile.TemporaryDirectory(prefix="rdv-alarms-") as made:
        folder = Path(made)
        try:
            with running(folder / "state", usual(any_port=True), say) as stack:
                os.environ.update(stack.environment)
                wait_ready(stack, _START_SECONDS)
                seed(stack)
                with run_monitors(stack, tools, folder / "monitors") as prometheus:
                    return f"{_check_queries(prometheus, say)}; {_check_alarm(stack, say)}"
        finally:
            os.environ.clear()
            os.environ.update(before)


def _check_queries(prometheus: PrometheusClient, say: Callable[[str], None]) -> str:
    """Run each query of the board and the rules, once everything was read for two minutes."""
    _wait(lambda: set(prometheus.list_targets().values()) == {"up"}, _READ_SECONDS, "all targets to be up")
    say("all targets are read")
    expressions = [*list_panel_expressions(), *list_rule_expressions()]
    wanted = {name for each in expressions for name in find_metrics(each.text)}
    wanted -= _ABSENT_HERE | list_recorded() | {"ALERTS"}
    try:
        _wait(lambda: wanted <= prometheus.list_metrics(), _READ_SECONDS, "all metrics")
    except CheckFailed:
        missing = sorted(wanted - prometheus.list_metrics())
        raise CheckFailed(f"Prometheus has read nothing of {', '.join(missing)}") from None
    _wait(
        lambda: bool(prometheus.query("rdvpriority:http_error_ratio:rate5m")), _READ_SECONDS, "recorded rules"
    )
    empty = [each.place for each in list_panel_expressions() if not prometheus.query(each.text)]
    for each in list_rule_expressions():
        prometheus.query(each.text)
    for place in dict.fromkeys(empty):
        say(f"no figure yet: {place}")
    return f"{len(expressions)} queries, {len(empty)} of them without a figure in a young sandbox"


def _check_alarm(stack: Stack, say: Callable[[str], None]) -> str:
    """Let Redis evict keys: the alarm reaches the operator's Telegram in time, and the repair closes it."""
    redis = redis_client()
    before = redis.config_get("maxmemory-policy")["maxmemory-policy"]
    redis.config_set("maxmemory-policy", "allkeys-lru")
    begun = time.monotonic()
    try:
        _wait(lambda: _is_told(stack), _LONGEST_ALARM, f"{_FAULT} on the operator's Telegram")
        told = time.monotonic() - begun
        say(f"{_FAULT} reached Telegram after {told:.0f} s")
    finally:
        redis.config_set("maxmemory-policy", before or "noeviction")
    repaired = time.monotonic()
    _wait(lambda: _find_end() is not None, _LONGEST_END, f"the end of {_FAULT}")
    return f"{_FAULT} told after {told:.0f} s, closed {time.monotonic() - repaired:.0f} s after the repair"


def _is_told(stack: Stack) -> bool:
    with urllib.request.urlopen(f"http://{INBOX}:{stack.ports.inbox}/api/messages", timeout=10) as answer:
        messages = json.loads(answer.read())
    return any(_FAULT in each["text"] for each in messages if each["to"] == OPERATORS_CHAT)


def _find_end() -> datetime | None:
    found = sa.select(Incident.ends_at).where(
        Incident.reason == IncidentReason.PROMETHEUS_ALARM, Incident.subject == _FAULT
    )
    with session() as s:
        return s.scalars(found.order_by(Incident.id.desc())).first()


def _wait(ready: Callable[[], bool], seconds: float, what: str) -> None:
    end = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > end:
            raise CheckFailed(f"waited {seconds:.0f} s in vain for {what}")
        time.sleep(1)
