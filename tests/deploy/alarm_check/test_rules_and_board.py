"""Each alarm has its heading, its test and its words; the board is one that Grafana can show."""

import re
from pathlib import Path

import yaml

from deploy.alarm_check.expressions import (
    RULE_TESTS,
    list_alarms,
)

RUNBOOK = "docs/operations.md"
PAGE = (Path(__file__).parents[3] / RUNBOOK).read_text("utf-8")
TITLE = "## Alarms of Prometheus"
NAMES = {rule["alert"] for rule in list_alarms()}


def test_grafana_is_given_the_board_and_its_source() -> None:
    folder = Path(__file__).parents[3] / "deploy" / "grafana" / "provisioning"
    (source,) = yaml.safe_load((folder / "datasources" / "prometheus.yaml").read_text())["datasources"]
    (provider,) = yaml.safe_load((folder / "dashboards" / "boards.yaml").read_text())["providers"]
    assert (source["uid"], source["type"]) == ("prometheus", "prometheus")
    assert provider["options"]["path"] == "/etc/grafana/boards"


def test_an_alarm_has_a_severity_a_summary_and_its_heading_s_address() -> None:
    for rule in list_alarms():
        assert rule["labels"]["severity"] in {"critical", "warning"} or rule["alert"] == "Watchdog"
        assert len(rule["annotations"]["summary"]) > 10
        assert rule["annotations"]["runbook"] == f"{RUNBOOK}#{rule['alert'].lower()}"
        assert "for" in rule or rule["alert"] in {"RedisEvictions", "Watchdog"}


def test_every_alarm_has_a_heading_and_every_heading_an_alarm() -> None:
    section = PAGE.split(f"\n{TITLE}\n")[1].split("\n## ")[0]
    headings = re.findall(r"^### (.+)$", section, re.MULTILINE)
    assert sorted(headings) == sorted(NAMES)


def test_every_alarm_has_a_test_in_which_it_fires_and_closes() -> None:
    tested = {}
    for file in RULE_TESTS.glob("*.yaml"):
        for test in yaml.safe_load(file.read_text("utf-8"))["tests"]:
            tested[test["name"]] = [bool(each["exp_alerts"]) for each in test["alert_rule_test"]]
    assert tested.pop("Watchdog") == [True]
    assert tested == {name: [False, True, False] for name in NAMES - {"Watchdog"}}
