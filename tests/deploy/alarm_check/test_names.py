"""Rules and the board name metrics and labels that exist."""

from deploy.alarm_check.expressions import (
    Expression,
    find_labels,
    find_metrics,
    list_panel_expressions,
    list_recorded,
    list_rule_expressions,
    read_board,
)
from deploy.metrics.catalogue import METRICS, PREFIX, find_definition, list_labels
from tests.in_turn import in_turn

# Metrics of Debian's prometheus-node-exporter; `make alarms` sees that it has them.
OF_THE_MACHINE = {
    "node_boot_time_seconds",
    "node_cpu_seconds_total",
    "node_filesystem_avail_bytes",
    "node_filesystem_size_bytes",
    "node_memory_MemAvailable_bytes",
    "node_memory_MemTotal_bytes",
    "node_time_seconds",
    "node_timex_sync_status",
}
OF_PROMETHEUS = {"up", "ALERTS"}
THEIR_LABELS = {"job", "instance", "mode", "fstype", "mountpoint", "alertname", "alertstate"}
EXPRESSIONS = [*list_rule_expressions(), *list_panel_expressions()]


def is_known(name: str) -> bool:
    if name in OF_THE_MACHINE | OF_PROMETHEUS | list_recorded():
        return True
    try:
        return name.startswith(PREFIX) and bool(find_definition(name.removeprefix(PREFIX)))
    except KeyError:
        return False


@in_turn("expression", EXPRESSIONS, lambda each: each.place)
def test_an_expression_names_metrics_and_labels_that_exist(expression: Expression) -> None:
    names = find_metrics(expression.text)
    assert names or expression.place == "Watchdog"
    assert [name for name in names if not is_known(name)] == []
    ours = [name.removeprefix(PREFIX) for name in names if name.startswith(PREFIX)]
    labels = {label for name in ours for label in list_labels(name)} | THEIR_LABELS
    assert find_labels(expression.text) - labels == set()


def test_the_board_shows_every_metric_and_no_panel_twice() -> None:
    shown = {name for each in EXPRESSIONS for name in find_metrics(each.text)}
    missing = [
        each.name
        for each in METRICS
        if not shown & {PREFIX + each.name, f"{PREFIX}{each.name}_bucket", f"{PREFIX}{each.name}_count"}
    ]
    assert missing == []
    panels = [panel["title"] for panel in read_board()["panels"]]
    assert len(set(panels)) == len(panels)
