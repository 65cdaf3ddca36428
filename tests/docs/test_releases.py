"""The commands of a release, as the pages have them: where the new API does not come up, the one that serves is left alone."""

import os
import re
import subprocess
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"
BLOCKS = [
    pytest.param(block, id=f"{page}-{number}")
    for page in ("operations", "keys")
    for number, block in enumerate(
        re.findall(
            r"^\( set -e .*?^\)$|^\( set -e$.*?^\)$",
            (DOCS / f"{page}.md").read_text("utf-8"),
            re.MULTILINE | re.DOTALL,
        )
    )
]
STUB = """#!/bin/sh
echo "$*" >> "$LOG"
case "$*" in *"$FAILS"*) exit 1; esac
"""
COMMANDS = ("compose", "sed", "sleep")


def run(block: str, folder: Path, fails: str) -> tuple[int, list[str]]:
    """Run a block with stubs for all that it calls; return its exit code, and the arguments of each call."""
    for name in COMMANDS:
        (folder / name).write_text(STUB)
        (folder / name).chmod(0o755)
    log = folder / "log"
    environment = {"PATH": f"{folder}:{os.environ['PATH']}", "LOG": str(log), "FAILS": fails}
    done = subprocess.run(["bash", "-c", block], env=environment, check=False, timeout=60)
    return done.returncode, log.read_text().splitlines()


@pytest.mark.parametrize("block", BLOCKS)
def test_a_new_api_that_does_not_come_up_leaves_the_other_alone(block: str, tmp_path: Path) -> None:
    code, calls = run(block, tmp_path, "api-1")
    assert code == 1
    assert calls[-1].endswith("--wait api-1")
    assert "api-2" not in " ".join(calls)


def test_the_blocks_of_both_pages_are_tried(tmp_path: Path) -> None:
    assert len(BLOCKS) == 2
    for number, block in enumerate(BLOCKS):
        folder = tmp_path / str(number)
        folder.mkdir()
        assert run(str(block.values[0]), folder, "nothing fails")[0] == 0
