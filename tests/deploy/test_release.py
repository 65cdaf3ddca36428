"""The command of a release, beside a docker that writes down what it is asked: its order, and how it goes back."""

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from deploy import release

_DOCKER = """#!/bin/sh
echo "$RELEASE: $*" >> "$LOG"
case "$*" in
*curl*) sed "s/NOW/$(date -u +%FT%T.%6N+00:00)/g" "$HEALTH" ;;
*ps*) echo container ;;
esac
case "$RELEASE $*" in $FAILS) echo "no such image"; exit 1 ;; esac
"""
PROGRAMS = ("background", "backup", "notifier", "planner", "proofs", "scrapyd", "stream")


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a folder with a docker, and settings that name the release v1; all programs have reported."""
    (tmp_path / "docker").write_text(_DOCKER)
    (tmp_path / "docker").chmod(0o755)
    (tmp_path / "settings.env").write_text(
        "SERVER_NAME=rdv.example.org\nRELEASE=v1\nAPI_URL=https://rdv.example.org\n"
    )
    (tmp_path / "health.json").write_text(json.dumps({"reportedAt": dict.fromkeys(PROGRAMS, "NOW")}))
    for name, value in {
        "PATH": f"{tmp_path}:{os.environ['PATH']}", "LOG": str(tmp_path / "log"), "FAILS": "nothing fails",
        "HEALTH": str(tmp_path / "health.json"), "RELEASE": "",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    slept = [0.0]
    monkeypatch.setattr("time.sleep", slept.append)
    monkeypatch.setattr("time.monotonic", lambda: sum(slept))
    return tmp_path


def list_replaced(server: Path) -> list[str]:
    """Return the release and the services of each call that replaced some, in their order."""
    calls = (server / "log").read_text().splitlines()
    return [f"{line.partition(':')[0]} {line.split()[-1]}" for line in calls if " up " in line]


def bring(server: Path, name: str) -> int:
    return release.main([name, "--settings", str(server / "settings.env")])


def test_a_release_replaces_one_api_after_the_other_and_is_written_down(server: Path) -> None:
    assert bring(server, "v2") == 0
    assert list_replaced(server) == ["v2 api-1", "v2 api-2", "v2 backup"]
    assert "RELEASE=v2\n" in (server / "settings.env").read_text()
    first = (server / "log").read_text().splitlines()[0]
    assert first.startswith("v2: ")
    assert first.endswith("run --rm -T --no-deps migrate")


def test_an_api_that_does_not_come_up_leaves_the_other_alone_and_is_put_back(
    server: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FAILS", "v2 *120 api-1")
    assert bring(server, "v2") == 1
    assert "v2 api-2" not in list_replaced(server)
    assert list_replaced(server)[-3:] == ["v1 api-1", "v1 api-2", "v1 backup"]
    assert "RELEASE=v1\n" in (server / "settings.env").read_text()
    said = capsys.readouterr().out
    assert "v2 stopped: docker compose" in said
    assert "no such image" in said
    assert said.endswith("v1 runs again; the tables stay as they are\n")


def test_a_release_before_that_cannot_be_put_back_is_said(
    server: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAILS", "* up *")
    assert bring(server, "v2") == 2


def report_at(hours: int) -> str:
    at = datetime.now(UTC) + timedelta(hours=hours)
    return json.dumps({"reportedAt": dict.fromkeys(PROGRAMS, at.isoformat())})


@pytest.mark.parametrize(
    "told",
    ["", "<html>503</html>", '{"code": "BUSY"}', report_at(-1), report_at(1)],
    ids=["empty", "html", "error", "earlier", "later"],  # the same in each process that collects them
)
def test_an_api_that_says_nothing_of_the_present_takes_the_release_back(
    server: Path, capsys: pytest.CaptureFixture[str], told: str
) -> None:
    (server / "health.json").write_text(told)
    assert bring(server, "v2") == 2
    assert (
        "v2 stopped: not heard of for 120 s since their start: stream, background" in capsys.readouterr().out
    )
    assert list_replaced(server)[-1] == "v1 backup"
