"""`make simulate`, from the first server to the last figure."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.journey, pytest.mark.processes]
ROOT = Path(__file__).resolve().parents[3]


def simulate(target: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "deploy.simulation", "--to", str(target), *arguments]
    environment = os.environ | {"COLUMNS": "200"}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=100)


def test_a_short_course_prints_and_writes_its_figures(tmp_path: Path) -> None:
    done = simulate(tmp_path / "made.json", "--hours", "0.1", "--desks", "4", "--hosts", "2")
    assert done.returncode == 0, done.stdout + done.stderr
    written = json.loads((tmp_path / "made.json").read_text())
    assert written["parameters"]["desks"] == 4
    assert written["figures"]["hosts"]["requests"] > 0
    for title in ("intervals", "release → detection", "most requests in 60 s", "times faster"):
        assert title in done.stdout


def test_a_site_that_must_be_survived_and_was_not_is_an_exit_code(tmp_path: Path) -> None:
    done = simulate(tmp_path / "made.json", "--replay", "--hours", "0.1", "--budget", "60")
    assert (done.returncode, "not survived: 12 requests in 60 s" in done.stdout) == (1, True), done.stdout
