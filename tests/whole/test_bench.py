"""The figures can still be taken; what they are is never tested."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.processes, pytest.mark.xdist_group("make")]
ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.timeout(400)
def test_a_quick_round_gives_its_figures(tmp_path: Path) -> None:
    target = tmp_path / "bench.json"
    command = [sys.executable, "-m", "deploy.bench", "--quick", "--to", str(target), "--only", *PARTS]
    # `make coverage` measures other tests: a program that is traced starts half as fast.
    kept = {name: value for name, value in os.environ.items() if not name.startswith("COV")}
    done = subprocess.run(
        command, cwd=ROOT, env=kept | {"COLUMNS": "200"}, capture_output=True, text=True, timeout=390
    )
    assert done.returncode == 0, done.stdout + done.stderr
    figures = json.loads(target.read_text())["figures"]
    for name in GOALS:
        assert figures[name] > 0, name


PARTS = ("delay",)  # the others take minutes
GOALS = (
    "page read → accepted, quiet, p50 ms",
    "page read → accepted, quiet, p99 ms",
)
