"""Examples of the docs: commands of a release leave the API that serves alone; each YAML block loads and fits."""

import os
import re
import subprocess
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from configs.world.host_rule import load_hosts
from crawler.catalogue import check_catalogue
from tests.in_turn import in_turn

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


# Every YAML example in the docs loads and fits its platform.


YAML = {
    f"{paper.name}:{number}": block
    for paper in sorted(DOCS.rglob("*.md"))
    for number, block in enumerate(re.findall(r"```yaml\n(.*?)```", paper.read_text(), re.DOTALL))
}
ENTRIES = {
    name: block
    for name, block in YAML.items()
    if block[0] == " " and re.search(r"^ +platform:", block, re.MULTILINE)
}
RULES = {name: block for name, block in YAML.items() if re.match(r"\S+:\d+:\n", block)}
_PREFECTURE = """\
name: Rhône
department: "69"
region: Auvergne-Rhône-Alpes
chef_lieu: Lyon
latitude: 45.749
longitude: 4.848
site: https://www.rhone.gouv.fr
time_zone: Europe/Paris
tier: 2
desks:
"""
_WHOSE = """\
- slug: guichet
  label: Guichet
  procedures: [AUTRE]
  grade: unconfirmed
  source: a page of docs
  date: 2026-11-20
"""


@in_turn("name", ENTRIES)
def test_an_entry_fits_its_platform(name: str, tmp_path: Path, settings_env: Callable[..., None]) -> None:
    entry = textwrap.dedent(ENTRIES[name])
    whole = entry if entry.startswith("- slug") else _WHOSE + textwrap.indent(entry, "  ")
    (tmp_path / "lyon_69.yaml").write_text(_PREFECTURE + textwrap.indent(whole, "  "), encoding="utf-8")
    settings_env(PREFECTURES_DIR=tmp_path)
    check_catalogue()


@in_turn("name", RULES)
def test_a_host_rule_loads(name: str, tmp_path: Path) -> None:
    (tmp_path / "hosts.yaml").write_text(RULES[name], encoding="utf-8")
    assert load_hosts(tmp_path / "hosts.yaml")
