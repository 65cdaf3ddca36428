"""The board and the alarms on a whole stack: queries give figures, faults reach Telegram, repairs end the alarms."""

import os
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from deploy.alarm_check.expressions import (
    find_metrics,
    list_panel_expressions,
    list_recorded,
    list_rule_expressions,
)
from deploy.alarm_check.files import CheckFailed
from deploy.alarm_check.monitors import PrometheusClient, run_monitors
from deploy.alarm_check.played_faults import FAULTS, play
from deploy.alarm_check.waiting import wait_for
from deploy.local.ports import usual
from deploy.local.seed import seed
from deploy.local.stack import running, wait_ready

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


def check_live(tools: Mapping[str, str], say: Callable[[str], None]) -> str:
    """Start a stack, Prometheus and Alertmanager; check the queries, play the faults, return a line of figures.

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
                    figures = _check_queries(prometheus, say)
                    return "; ".join([figures, *(play(each, stack, prometheus, say) for each in FAULTS)])
        finally:
            os.environ.clear()
            os.environ.update(before)


def _check_queries(prometheus: PrometheusClient, say: Callable[[str], None]) -> str:
    """Run each query of the board and the rules, once everything was read for two minutes."""
    wait_for(lambda: set(prometheus.list_targets().values()) == {"up"}, _READ_SECONDS, "all targets to be up")
    say("all targets are read")
    expressions = [*list_panel_expressions(), *list_rule_expressions()]
    wanted = {name for each in expressions for name in find_metrics(each.text)}
    wanted -= _ABSENT_HERE | list_recorded() | {"ALERTS"}
    try:
        wait_for(lambda: wanted <= prometheus.list_metrics(), _READ_SECONDS, "all metrics")
    except CheckFailed:
        missing = sorted(wanted - prometheus.list_metrics())
        raise CheckFailed(f"Prometheus has read nothing of {', '.join(missing)}") from None
    wait_for(
        lambda: bool(prometheus.query("rdvpriority:http_error_ratio:rate5m")), _READ_SECONDS, "recorded rules"
    )
    empty = [each.place for each in list_panel_expressions() if not prometheus.query(each.text)]
    for each in list_rule_expressions():
        prometheus.query(each.text)
    for place in dict.fromkeys(empty):
        say(f"no figure yet: {place}")
    return f"{len(expressions)} queries, {len(empty)} of them without a figure in a young sandbox"
