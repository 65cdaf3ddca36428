"""systemd units: the programs of a local stack, their settings, secrets, limits and walls."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from configs.settings import Settings
from deploy.server_files import write_unit_copies
from tests.deploy.compose_files import (
    PROGRAMS,
    dockerfile_command,
    local_commands,
    program_of,
    services,
    settings_of,
    unit,
    unit_command,
)

UNITS = (*PROGRAMS, "api-next", "hooks", "stream", "metrics", "backup", "migrate")
NODE = {"keeper", "proofs", "scrapyd"}  # one container runs these
WITH_BROWSER = {"proofs", "scrapyd"}


def test_units_run_what_a_local_stack_runs() -> None:
    assert {name: unit_command(name) for name in PROGRAMS} == local_commands()
    assert unit_command("api-next") == unit_command("hooks") == unit_command("api")
    assert unit_command("stream") == ["python", "-m", "api.stream", "--port", "4003"]
    assert unit_command("metrics") == ["python", "-m", "deploy.metrics"]
    assert unit_command("backup") == dockerfile_command("backup")
    assert unit_command("migrate") == ["python", "-m", "api.migrations", "upgrade", "--logins"]


@pytest.mark.parametrize("name", UNITS)
def test_a_unit_s_variables_are_settings(name: str) -> None:
    words = [word for line in unit(name)["Environment"] for word in line.split()]
    known = {field.upper() for field in Settings.model_fields} | {
        "PYTHONUNBUFFERED",
        "PYTHONDONTWRITEBYTECODE",
    }
    assert settings_of(words) <= known
    assert {"APP_ENV=production", "PROXY_HOPS=1", "SECRETS_DIR=%d"} <= set(words)


@pytest.mark.parametrize("name", UNITS)
def test_a_unit_gets_the_secrets_that_a_container_gets(name: str) -> None:
    service = services("production")["node" if name in NODE else name]
    loaded = [line.split(":") for line in unit(name)["LoadCredential"]]
    assert {secret for secret, _ in loaded} == set(service["secrets"])
    assert f"PROGRAM={program_of(service)}" in " ".join(unit(name)["Environment"]).split()
    assert all(path == f"/etc/rdvpriority/secrets/{secret}" for secret, path in loaded)


@pytest.mark.parametrize("name", UNITS)
def test_a_unit_is_walled_in_and_bounded(name: str) -> None:
    lines = unit(name)
    for key, value in {
        "NoNewPrivileges": "yes",
        "ProtectSystem": "strict",
        "ProtectHome": "yes",
        "PrivateTmp": "yes",
        "PrivateDevices": "yes",
        "CapabilityBoundingSet": "",
        "User": "rdvpriority",
    }.items():
        assert lines[key] == [value]
    assert re.fullmatch(r"\d+M", lines["MemoryMax"][0])
    assert lines["CPUQuota"][0].endswith("%")
    assert int(lines["TasksMax"][0]) > 0
    assert lines["Restart"] == ["on-failure" if name == "migrate" else "always"]
    assert ("MemoryDenyWriteExecute" in lines) is (name not in WITH_BROWSER)


def test_pictures_take_no_processor_from_alerts() -> None:
    assert unit("proofs")["CPUWeight"] == ["idle"]


def test_the_api_of_a_release_differs_from_the_api_in_its_port_and_starts_with_no_server() -> None:
    usual, beside = (
        {key: [line.replace("4001", "4000") for line in lines] for key, lines in unit(name).items()}
        for name in ("api", "api-next")
    )
    assert "--bind 127.0.0.1:4001 " in unit("api-next")["ExecStart"][0]
    assert usual.pop("WantedBy") == ["rdvpriority.target"]
    usual.pop("Description")
    beside.pop("Description")
    assert beside == usual


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="this machine has no systemd-analyze")
def test_systemd_has_nothing_to_say_of_the_units(tmp_path: Path) -> None:
    units = write_unit_copies(tmp_path, Path(sys.executable).parent)
    assert len(units) == len(UNITS) + 1
    verify = ["systemd-analyze", "verify", *map(str, units)]
    done = subprocess.run(verify, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
