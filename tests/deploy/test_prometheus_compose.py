"""deploy/compose/prometheus.yaml: bounded, unseen from outside, with addresses and the token."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from configs.program_settings import list_allowed
from tests.deploy.compose_files import DEPLOY, compose, program_of, services

FILE = DEPLOY / "compose" / "prometheus.yaml"
ADDED: dict[str, Any] = yaml.safe_load(FILE.read_text("utf-8"))
THEIRS = {name: each for name, each in ADDED["services"].items() if "image" in each}


def test_it_fits_the_schema_of_compose() -> None:
    check = [str(Path(sys.executable).parent / "check-jsonschema"), "--builtin-schema", "vendor.compose-spec"]
    done = subprocess.run([*check, str(FILE)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", THEIRS)
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
    assert outer == {"grafana"}


def test_prometheus_reaches_the_exporter_and_alertmanager_our_hooks_and_no_server() -> None:
    everyone = {**services(), **THEIRS}
    shared = {name: set(each["networks"]) for name, each in everyone.items()}
    shared["api-1"] |= set(ADDED["services"]["api-1"]["networks"])
    for name in THEIRS:
        reached = {other for other in everyone if shared[name] & shared[other]} - {name}
        assert not reached & {"postgres", "redis", "node", "nginx", "notifier"}, name
    assert shared["alertmanager"] & shared["api-1"]
    assert shared["prometheus"] & shared["metrics"]


def test_the_token_goes_to_those_that_take_the_calls_and_to_who_makes_them() -> None:
    given = {
        name for name, each in ADDED["services"].items() if "alertmanager_token" in each.get("secrets", ())
    }
    assert given == {"api-1", "api-2", "alertmanager"}
    assert "alertmanager_token" in list_allowed(program_of(services()["api-1"]))


@pytest.mark.parametrize("name", ["prometheus.yml", "alertmanager.yml"])
def test_every_address_is_a_service(name: str) -> None:
    text = (DEPLOY / "prometheus" / name).read_text("utf-8")
    hosts = set(re.findall(r"(?:\"|//)([a-z-]+|[\d.]+):\d+", text)) - {"127.0.0.1"}  # its own figures
    assert hosts
    assert hosts <= {*services(), *THEIRS, "api"}  # an alias of both


def test_the_first_value_of_the_token_is_sent(tmp_path: Path) -> None:
    (tmp_path / "alertmanager_token").write_text("new-value,old-value\n")
    script = THEIRS["alertmanager"]["command"][2].partition("&& exec")[0]
    assert script.startswith("umask 077 && ")
    script = re.sub(r"/run/secrets|/tmp", str(tmp_path), script)
    subprocess.run(["sh", "-c", script], check=True)
    assert (tmp_path / "token").read_text() == "new-value\n"
