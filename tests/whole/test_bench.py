"""The figures can still be taken; what they are is never tested."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.processes, pytest.mark.xdist_group("make")]
ROOT = Path(__file__).resolve().parents[2]


def test_a_quick_round_gives_every_figure(tmp_path: Path) -> None:
    target = tmp_path / "bench.json"
    command = [sys.executable, "-m", "deploy.bench", "--quick", "--to", str(target)]
    done = subprocess.run(
        command, cwd=ROOT, env=os.environ | {"COLUMNS": "200"}, capture_output=True, text=True, timeout=200
    )
    assert done.returncode == 0, done.stdout + done.stderr
    figures = json.loads(target.read_text())["figures"]
    assert figures["full ÷ bare, pages/s"] > 0
    assert figures["full ÷ bare, CPU a page"] > 0
    assert figures["slots told"] == 2
    assert 0 < figures["page read → accepted, p50 ms"] <= figures["page read → accepted, p99 ms"]
