"""deploy/compose/prometheus.yaml: bounded, unseen from outside; whom Alertmanager tells, and by which accounts."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deploy.compose_files import DEPLOY, compose, services
from tests.in_turn import in_turn

FILE = DEPLOY / "compose" / "prometheus.yaml"
ADDED: dict[str, Any] = yaml.safe_load(FILE.read_text("utf-8"))
THEIRS = {name: each for name, each in ADDED["services"].items() if "image" in each}


@in_turn("name", THEIRS)
def test_a_service_is_pinned_bounded_and_may_do_no_more_than_it_must(name: str) -> None:
    service = THEIRS[name]
    assert re.fullmatch(r"[\w/-]+:v?\d+\.\d+\.\d+", service["image"])
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["restart"] == "unless-stopped"
    limits = service["deploy"]["resources"]["limits"]
    assert float(limits["cpus"]) <= 0.5
    assert int(limits["memory"].removesuffix("M")) <= 512
    assert service["healthcheck"]["test"][0] == "CMD"
    assert all(volume.endswith((":ro", ":ro,rslave")) or ":/" in volume for volume in service["volumes"])


def test_only_grafana_has_a_port_and_only_on_loopback() -> None:
    published = {name: each["ports"] for name, each in THEIRS.items() if "ports" in each}
    assert published == {"grafana": ["127.0.0.1:3000:3000"]}
    networks = {**compose()["networks"], **ADDED["networks"]}
    outer = {name for name, each in THEIRS.items() if any(not networks[one] for one in each["networks"])}
    assert outer == {"alertmanager", "grafana"}  # one calls Telegram, SendGrid and the dead man's switch


def test_theirs_reach_the_exporter_and_nothing_else_of_ours() -> None:
    ours = services()
    for name, service in THEIRS.items():
        networks = set(service["networks"])
        assert {each for each in ours if set(ours[each]["networks"]) & networks} == {"background"}, name


def test_alertmanager_alone_has_secrets_those_of_what_it_calls() -> None:
    given = {name: set(each["secrets"]) for name, each in THEIRS.items() if "secrets" in each}
    assert given == {"alertmanager": {"sendgrid_api_key", "telegram_bot_token"}}
    assert given["alertmanager"] <= set(compose()["secrets"])
    assert set(ADDED["services"]) == set(THEIRS)


@pytest.fixture
def filled(tmp_path: Path) -> Path:
    """Give the configuration as the container of Alertmanager fills it in."""
    service = THEIRS["alertmanager"]
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
