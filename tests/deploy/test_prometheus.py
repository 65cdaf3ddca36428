"""Prometheus and Grafana: alarms and boards name metrics that exist, each alarm has its heading and its test; their compose file."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.metrics.queries import BY_NAME, PREFIX
from tests.deploy.compose_files import DEPLOY, compose, services
from tests.in_turn import in_turn

ROOT = Path(__file__).parents[2]
PROMETHEUS, GRAFANA = ROOT / "deploy" / "prometheus", ROOT / "deploy" / "grafana"
RUNBOOK, TITLE = "docs/alarms.md", "## Of Prometheus"
RULE_TESTS = sorted((PROMETHEUS / "tests").glob("*.yaml"))
RULES: list[dict[str, Any]] = [
    rule
    for group in yaml.safe_load((PROMETHEUS / "rules.yaml").read_text("utf-8"))["groups"]
    for rule in group["rules"]
]
ALARMS = [rule for rule in RULES if "alert" in rule]
NAMES = {rule["alert"] for rule in ALARMS}
PANELS: list[dict[str, Any]] = json.loads((GRAFANA / "boards" / "rdvpriority.json").read_text("utf-8"))[
    "panels"
]
# Each query, with the alarm or panel in which it stands.
QUERIES = [(rule.get("alert") or rule["record"], rule["expr"]) for rule in RULES] + [
    (panel["title"], target["expr"]) for panel in PANELS for target in panel.get("targets", ())
]
THEIRS = {  # of Prometheus, of rules that record, and of prometheus-node-exporter
    "up",
    "ALERTS",
    *(rule["record"] for rule in RULES if "record" in rule),
    "node_boot_time_seconds",
    "node_cpu_seconds_total",
    "node_filesystem_avail_bytes",
    "node_filesystem_size_bytes",
    "node_memory_MemAvailable_bytes",
    "node_memory_MemTotal_bytes",
    "node_time_seconds",
    "node_timex_sync_status",
}
THEIR_LABELS = {"le", "what", "job", "instance", "mode", "fstype", "mountpoint", "alertname", "alertstate"}
# Words of a query that name no metric and no function: https://prometheus.io/docs/prometheus/2.42/querying/basics/
_TEXT = re.compile(r'"(?:[^"\\]|\\.)*"')
_BRACKETS = re.compile(r"\{[^}]*\}|\[[^\]]*\]")
_LABELS = re.compile(r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)")
_NAME = re.compile(r"(?<![\w.:])[a-zA-Z_:][\w:]*(?!\s*\()(?![\w:])")
_WORDS = frozenset({"and", "or", "unless", "offset", "bool", "inf", "nan"})


def find_metrics(query: str) -> set[str]:
    bare = _LABELS.sub(" ", _BRACKETS.sub(" ", _TEXT.sub('""', query)))
    return {name for name in _NAME.findall(bare) if name.lower() not in _WORDS}


def find_labels(query: str) -> set[str]:
    """Return the labels that a query groups by, and those that it selects by."""
    bare = _TEXT.sub('""', query)
    grouped = {name for group in _LABELS.findall(bare) for name in re.findall(r"\w+", group.split("(", 1)[1])}
    selected = {
        name for braces in re.findall(r"\{([^}]*)\}", bare) for name in re.findall(r"(\w+)\s*[=!]", braces)
    }
    return grouped | selected


def find_own(name: str) -> str:
    """Return the metric of a name, also of a histogram's part."""
    own = name.removeprefix(PREFIX)
    return own if own in BY_NAME else re.sub("_(bucket|count|sum)$", "", own)


@in_turn("place, query", QUERIES, lambda each: each[0])
def test_a_query_names_metrics_and_labels_that_exist(place: str, query: str) -> None:
    names = find_metrics(query)
    assert names or place == "Watchdog"
    ours = {find_own(name) for name in names if name.startswith(PREFIX)}
    assert ours <= BY_NAME.keys()
    assert {name for name in names if not name.startswith(PREFIX)} <= THEIRS
    labels = {label for name in ours for label in BY_NAME[name].labels} | THEIR_LABELS
    assert find_labels(query) - labels == set()


def test_every_alarm_has_a_heading_and_every_heading_an_alarm() -> None:
    section = (ROOT / RUNBOOK).read_text("utf-8").split(f"\n{TITLE}\n")[1].split("\n## ")[0]
    assert sorted(re.findall(r"^### (.+)$", section, re.MULTILINE)) == sorted(NAMES)


def test_every_alarm_has_a_test_in_which_it_fires_and_closes() -> None:
    tested = {}
    for file in RULE_TESTS:
        for test in yaml.safe_load(file.read_text("utf-8"))["tests"]:
            if "(" not in test["name"]:  # other servers: what they lack
                tested[test["name"]] = [bool(each["exp_alerts"]) for each in test["alert_rule_test"]]
    assert tested.pop("Watchdog") == [True]
    assert tested == {name: [False, True, False] for name in NAMES - {"Watchdog"}}


@pytest.mark.parametrize(
    "command",
    [
        ["promtool", "check", "config", PROMETHEUS / "prometheus.yml"],  # reads the rules, too
        ["promtool", "test", "rules", *RULE_TESTS],
    ],
    ids=lambda each: " ".join(each[:2]),
)
def test_prometheus_own_programs_find_nothing(command: list[str | Path]) -> None:
    if not shutil.which(str(command[0])):
        pytest.skip(f"this machine has no {command[0]}: apt-get install prometheus")
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr


# deploy/compose/prometheus.yaml: bounded, unseen from outside; whom Alertmanager tells, and by which accounts

FILE = DEPLOY / "compose" / "prometheus.yaml"
ADDED: dict[str, Any] = yaml.safe_load(FILE.read_text("utf-8"))
SERVICES = {name: each for name, each in ADDED["services"].items() if "image" in each}


def test_only_grafana_has_a_port_and_only_on_loopback() -> None:
    published = {name: each["ports"] for name, each in SERVICES.items() if "ports" in each}
    assert published == {"grafana": ["127.0.0.1:3000:3000"]}
    networks = {**compose()["networks"], **ADDED["networks"]}
    outer = {name for name, each in SERVICES.items() if any(not networks[one] for one in each["networks"])}
    assert outer == {"alertmanager", "grafana"}  # one calls Telegram, SendGrid and the dead man's switch


def test_theirs_reach_the_exporter_and_nothing_else_of_ours() -> None:
    ours = services()
    for name, service in SERVICES.items():
        networks = set(service["networks"])
        assert all(each.endswith((":ro", ":ro,rslave")) or ":/" in each for each in service["volumes"]), name
        assert {each for each in ours if set(ours[each]["networks"]) & networks} == {"background"}, name


def test_alertmanager_alone_has_secrets_those_of_what_it_calls() -> None:
    given = {name: set(each["secrets"]) for name, each in SERVICES.items() if "secrets" in each}
    assert given == {"alertmanager": {"sendgrid_api_key", "telegram_bot_token"}}
    assert given["alertmanager"] <= set(compose()["secrets"])
    assert set(ADDED["services"]) == set(SERVICES)


@pytest.fixture
def filled(tmp_path: Path) -> Path:
    """Give the configuration as the container of Alertmanager fills it in."""
    service = SERVICES["alertmanager"]
    secrets = {"sendgrid_api_key": "SG.a|b&c\\d", "telegram_bot_token": "123:a_B-c"}
    for name in service["secrets"]:
        (tmp_path / name).write_text(f"{secrets[name]}\n")
    (tmp_path / "alertmanager").write_text(f'#!/bin/sh\necho "$1" > {tmp_path}/called\n')
    (tmp_path / "alertmanager").chmod(0o755)
    script = (DEPLOY / "prometheus" / "start_alertmanager.sh").read_text("utf-8")
    script = re.sub(r"/run/secrets|/tmp", str(tmp_path), script)
    script = script.replace("/etc/alertmanager", str(DEPLOY / "prometheus"))
    values = {
        "ALARM_CHAT_ID": "-1001234",
        "ALARM_EMAIL": "o'hara@example.org",
        "ALARM_HEARTBEAT_URL": "https://hc.example.org/ping/1?a=b&c",
        "EMAIL_FROM": "RDVPriority <alerte@example.org>",
    }
    assert values.keys() == service["environment"].keys()
    environment = {"PATH": f"{tmp_path}:/usr/bin:/bin", **values}
    subprocess.run(["sh", "-c", script], env=environment, check=True)
    assert (tmp_path / "called").read_text() == f"--config.file={tmp_path}/alertmanager.yml\n"
    return tmp_path / "alertmanager.yml"


def test_alertmanager_tells_the_operators_itself_and_calls_the_switch(filled: Path) -> None:
    assert filled.stat().st_mode & 0o077 == 0
    found = yaml.safe_load(filled.read_text("utf-8"))
    assert found["global"]["smtp_auth_password"] == "SG.a|b&c\\d"
    assert found["global"]["smtp_from"] == "RDVPriority <alerte@example.org>"
    operators, watchdog = found["receivers"]
    (telegram,), (mail,) = operators["telegram_configs"], operators["email_configs"]
    assert (telegram["bot_token"], telegram["chat_id"]) == ("123:a_B-c", -1001234)
    assert mail["to"] == "o'hara@example.org"
    assert telegram["message"] == mail["text"]
    assert watchdog["webhook_configs"][0]["url"] == "https://hc.example.org/ping/1?a=b&c"
    assert found["route"]["receiver"] == operators["name"]
    (switch,) = found["route"]["routes"]
    assert (switch["matchers"], switch["receiver"]) == (["alertname = Watchdog"], watchdog["name"])
    assert "webhook_configs" not in operators  # nothing about the API travels through it


def test_alertmanager_s_own_program_finds_nothing(filled: Path) -> None:
    if not shutil.which("amtool"):
        pytest.skip("this machine has no amtool: apt-get install prometheus-alertmanager")
    done = subprocess.run(["amtool", "check-config", filled], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
