"""Programs of a release: described by their own version, started, stopped with all that they started, started again."""

import json
import sys
from dataclasses import asdict
from pathlib import Path

import psutil
import pytest

from deploy.local.ports import StackPorts
from deploy.local.processes import StartFailed
from deploy.local.programs import commands
from deploy.release.programs import ProgramSet, ReleasePrograms, ask_version, describe
from deploy.release.versions import work_tree
from tests.waiting import until

PORTS = StackPorts(api=4000, inbox=8025, sites=8800, providers=8850, scrapyd=6800)
GIVEN = {
    "ports": asdict(PORTS), "database_url": "postgresql://u:p@127.0.0.1:1/x", "redis_url": "redis://127.0.0.1:1/0",
}  # fmt: skip
# Writes the process of a child that ignores being asked to end, its own port, and the rights that it was given.
PARENT = """
import json, os, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
with open(sys.argv[1], "w") as file:
    json.dump({"child": child.pid, "arguments": sys.argv[2:], "program": os.environ.get("PROGRAM")}, file)
time.sleep(600)
"""


@pytest.fixture
def running(tmp_path: Path) -> ReleasePrograms:
    return ReleasePrograms(tmp_path / "logs")


def program_set(**command: list[str]) -> ProgramSet:
    return ProgramSet(work_tree(), command, {"PATH": "/usr/bin:/bin"}, {"api": {"PROGRAM": "api"}})


def test_a_version_describes_what_it_starts_and_its_own_variables_give_way(tmp_path: Path) -> None:
    given = {"state": str(tmp_path), **GIVEN}
    found = describe(work_tree(), given, {"PATH": "/usr/bin:/bin"}, {"BCRYPT_COST": "4", "PORT": "1"})
    ours = commands(PORTS, world=False)
    assert {name: found.commands[name] for name in ours} == ours
    assert found.commands["backup"][1:] == ["-m", "deploy.backup", "run"]
    assert found.environment_of("planner")["PROGRAM"] == "crawler"
    assert "PROGRAM" not in found.environment_of("sandbox")
    assert (found.environment["PORT"], found.environment["REDIS_URL"]) == ("1", "redis://127.0.0.1:1/0")
    assert found.environment["PYTHONPATH"] == str(work_tree().tree)


def test_a_version_that_cannot_describe_itself_says_why(tmp_path: Path) -> None:
    with pytest.raises(
        StartFailed, match=r"describe_programs\.py of the work tree failed:(.|\n)*KeyError: 'state'"
    ):
        ask_version(work_tree(), "describe_programs.py", GIVEN, {"STATE_DIR": str(tmp_path)})


def test_a_program_ends_with_all_that_it_started(running: ReleasePrograms, tmp_path: Path) -> None:
    said = tmp_path / "said"
    command = [sys.executable, "-c", PARENT, str(said), "--bind", "127.0.0.1:4000"]
    running.start("api-next", program_set(api=command), bind=4001)
    running.wait("api-next", lambda: said.exists() and said.read_text().endswith("}"))
    told = json.loads(said.read_text())
    assert told["arguments"] == ["--bind", "127.0.0.1:4001"]
    assert told["program"] == "api"
    child = psutil.Process(told["child"])
    running.stop("api-next")
    assert not child.is_running()


def test_a_program_that_ends_by_itself_is_started_again_and_counted(
    running: ReleasePrograms, tmp_path: Path
) -> None:
    said = tmp_path / "said"
    script = f"open({str(said)!r}, 'a').write('here ')"
    with running.looking_after():
        running.start("notifier", program_set(notifier=[sys.executable, "-c", script]))
        until(lambda: said.exists() and said.read_text().count("here") > 1)
    assert set(running.ended) == {"notifier"}


def test_a_program_that_must_not_start_is_heard_out(running: ReleasePrograms) -> None:
    command = [sys.executable, "-c", "raise SystemExit('JWT_SECRET is missing')"]
    running.start("api", program_set(api=command))
    assert running.wait_for_end("api") == (1, "JWT_SECRET is missing")


def test_a_program_that_starts_although_it_must_not_is_ended(running: ReleasePrograms) -> None:
    running.start("api", program_set(api=[sys.executable, "-c", "import time; time.sleep(600)"]))
    with pytest.raises(StartFailed, match="api should have ended"):
        running.wait_for_end("api", seconds=0.2)
    running.stop_all()
