"""A release and a rollback, whole: nothing is lost, doubled or refused, and nothing is left behind."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest

from deploy.release.versions import ROOT, NoVersion, find_last_release

pytestmark = [
    pytest.mark.journey,
    pytest.mark.processes,
    pytest.mark.xdist_group("stacks"),
    pytest.mark.timeout(1500),
    pytest.mark.skipif(not shutil.which("nginx"), reason="nginx is not installed"),
]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("release")
    try:
        find_last_release()
    except NoVersion as error:
        pytest.skip(str(error))
    command = [sys.executable, "-m", "deploy.release", "--minutes", "20", "--rate", "5"]
    done = subprocess.run(
        [*command, "--to", str(folder / "release.json")],
        cwd=ROOT,
        env={name: value for name, value in os.environ.items() if not name.startswith("TEST_")}
        | {"TMPDIR": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (folder / "release.json").exists(), done.stdout + done.stderr
    found: dict[str, Any] = json.loads((folder / "release.json").read_text())
    return found | {"code": done.returncode, "said": done.stdout, "folder": folder}


def test_nothing_is_lost_doubled_or_refused(run: dict[str, Any]) -> None:
    assert (run["failures"], run["code"]) == ([], 0), run["said"]


def test_there_was_something_to_lose(run: dict[str, Any]) -> None:
    figures = run["figures"]
    assert figures["requests"] >= 300
    assert figures["messages expected"] >= 50
    assert figures["checks"] >= 50
    assert figures["purchases"] >= 5


def test_the_new_version_replaced_the_old_and_the_old_came_back(run: dict[str, Any]) -> None:
    for name in ("the new version serves alone", "the old version again serves alone"):
        assert name in run["steps"]


def test_nothing_is_left_behind(run: dict[str, Any]) -> None:
    left = []
    for process in psutil.process_iter():
        try:
            if str(run["folder"]) in " ".join(process.cmdline()):
                left.append(process.cmdline())
        except psutil.Error:
            continue
    assert left == []
    assert not list(Path(run["folder"]).glob("rdv-release-*"))
