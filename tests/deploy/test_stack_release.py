"""The command of a release in a swarm, beside a docker that plays one: until when it waits, and how it goes back."""

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from deploy import release
from tests.deploy.compose_files import DEPLOY, compose
from tests.deploy.test_release import PROGRAMS

# It keeps what is deployed, whose tasks start at the first look and run from the second on. plan.json says otherwise:
# what becomes of the update of a service with an image, and how the job ends.
_DOCKER = """#!PYTHON -SE
import datetime, json, pathlib, sys
folder, asked = pathlib.Path(__file__).parent, sys.argv[1:]
plan, kept = json.loads((folder / "plan.json").read_text()), folder / "services.json"
services = json.loads(kept.read_text())
with (folder / "log").open("a") as log:
    log.write(" ".join(asked[:3]) + chr(10))
def read_update(name):
    return {"UpdateStatus": {"State": plan["update"]}} if services[name]["image"] + name == plan["of"] else {}
def read_service(name):
    mode = {"Replicated": {"Replicas": services[name]["deploy"]["replicas"]}}
    return {"ID": name, "Spec": {"Name": name, "Mode": mode}} | read_update(name) | (
        {"JobStatus": {}} if name.endswith("migrate") else {})
def read_tasks(name, service):
    service["looks"] += 1
    state = plan["job"] if name.endswith("migrate") else "running" if service["looks"] > 1 else "starting"
    state = "accepted" if service["image"] + name == plan.get("full") else state
    number = 4 if state in ("failed", "rejected") else service["deploy"]["replicas"]
    return number * [{"ID": name, "NodeID": "second", "ServiceID": name, "DesiredState": "running", "Status": {"State": state},
                      "Spec": {"ContainerSpec": {"Labels": service["labels"]}}}]
match asked[:2]:
    case ["stack", "deploy"]:
        given = json.load(sys.stdin)["services"].items()
        print(*dict(given), file=(folder / "deployed").open("a"))
        services |= {f"{asked[-1]}_{name}": service | {"looks": 0} for name, service in given}
    case ["service", "ps"] if "--quiet" in asked:
        print("task")
    case ["service", "ps"]:
        print("; it ended with 137")
    case ["service", "inspect"]:
        print(json.dumps([read_service(name) for name in asked[2:]]))
    case ["node", "inspect"]:
        print(asked[-1])
    case ["inspect", _] if plan.pop("forgets", 0):
        (folder / "plan.json").write_text(json.dumps(plan))
        sys.exit("no such task")
    case ["inspect", _]:
        print(json.dumps([task for each in services.items() for task in read_tasks(*each)]))
    case ["secret", "create"]:
        print(asked[2], file=(folder / "created").open("a"))
    case ["secret", "ls"]:
        print((folder / "created").read_text())
    case ["ps", _]:
        print("container")
    case ["exec", _] if "curl" in asked:
        at = datetime.datetime.now(datetime.UTC).isoformat()
        print(json.dumps({"reportedAt": dict.fromkeys(PROGRAMS, at)}))
kept.write_text(json.dumps(services))
"""


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a folder with a docker, settings and secrets; all programs have reported."""
    (tmp_path / "docker").write_text(
        _DOCKER.replace("PYTHON", sys.executable).replace("PROGRAMS", repr(PROGRAMS))
    )
    (tmp_path / "docker").chmod(0o755)
    (tmp_path / "secrets").mkdir()
    for name in compose()["secrets"]:
        (tmp_path / "secrets" / name).write_text(name)
    (tmp_path / "settings.env").write_text(
        f"SERVER_NAME=rdv.example.org\nSUPPORT_EMAIL=aide@example.org\nRELEASE=v1\nSECRETS={tmp_path}/secrets\n"
    )
    (tmp_path / "services.json").write_text("{}")
    (tmp_path / "created").touch()
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.delenv("RELEASE", raising=False)
    monkeypatch.syspath_prepend(str(DEPLOY))  # a server runs the command as a file
    slept = [0.0]
    monkeypatch.setattr("time.sleep", slept.append)
    monkeypatch.setattr("time.monotonic", lambda: sum(slept))
    return tmp_path


def bring(server: Path, **plan: Any) -> int:
    """Bring v2, with a swarm that does as planned."""
    (server / "plan.json").write_text(json.dumps({"job": "complete", "of": ""} | plan))
    return release.main(["v2", "--stack", "--settings", str(server / "settings.env")])


def read_images(server: Path) -> set[str]:
    kept = json.loads((server / "services.json").read_text())
    return {each["image"] for name, each in kept.items() if "app" in each["image"] and "migrate" not in name}


@pytest.mark.journey
def test_a_release_waits_until_each_task_runs_as_it_was_deployed(server: Path) -> None:
    assert bring(server, forgets=1) == 0
    assert read_images(server) == {"rdvpriority.invalid/app:v2"}
    assert "RELEASE=v2\n" in (server / "settings.env").read_text()
    first, *_ = [line for line in (server / "log").read_text().splitlines() if "deploy" in line]
    assert first == "stack deploy --resolve-image"
    assert (server / "log").read_text().count("service inspect") > 2


@pytest.mark.journey
def test_a_migration_has_the_servers_and_the_backup_that_it_waits_for_also_in_a_new_swarm(
    server: Path,
) -> None:
    assert bring(server) == 0
    first, *_ = (server / "deployed").read_text().splitlines()
    assert set(first.split()) == {"backup", "migrate", "postgres", "redis"}


@pytest.mark.parametrize(
    ("plan", "named"),
    [
        ({"of": "rdvpriority.invalid/app:v2rdvpriority_notifier", "update": "rollback_started"}, "notifier"),
        ({"job": "failed"}, "migrate"),
        *(
            pytest.param(*each, marks=pytest.mark.journey)
            for each in (
                ({"of": "rdvpriority.invalid/app:v2rdvpriority_planner", "update": "paused"}, "planner"),
                ({"job": "rejected"}, "migrate"),
            )
        ),
    ],
)
def test_what_the_swarm_gives_up_takes_the_release_back(
    server: Path, capsys: pytest.CaptureFixture[str], plan: dict[str, str], named: str
) -> None:
    assert bring(server, **plan) == 1
    assert read_images(server) == {"rdvpriority.invalid/app:v1"}
    assert "RELEASE=v1\n" in (server / "settings.env").read_text()
    said = capsys.readouterr().out
    assert f"v2 stopped: the swarm gave rdvpriority_{named} up; it ended with 137" in said
    assert said.endswith("v1 runs again; the tables stay as they are\n")


@pytest.mark.journey
def test_a_machine_that_takes_no_task_takes_the_release_back_within_minutes(
    server: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert bring(server, full="rdvpriority.invalid/app:v2rdvpriority_stream") == 1
    assert read_images(server) == {"rdvpriority.invalid/app:v1"}
    assert "v2 stopped: rdvpriority_stream does not start: second takes no task" in capsys.readouterr().out


def test_an_empty_secret_of_a_server_stops_the_release_before_anything_changes(
    server: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (server / "secrets" / "redis_password").write_text("\n")
    assert bring(server) == 1
    assert "redis cannot do without redis_password" in capsys.readouterr().out
    assert "stack deploy" not in (server / "log").read_text()
