"""The workflows of a forge: their schemas, and that what they name exists."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from deploy.program_imports import IMAGES
from tests.deploy.compose_files import ROOT

GITHUB = ROOT / ".github"
WORKFLOWS = sorted((GITHUB / "workflows").glob("*.yaml"))
ACTION = GITHUB / "actions" / "prepare" / "action.yaml"


@pytest.mark.parametrize(
    ("schema", "files"),
    [
        ("vendor.github-workflows", WORKFLOWS),
        ("vendor.github-actions", [ACTION]),
        ("vendor.dependabot", [GITHUB / "dependabot.yml"]),
    ],
)
def test_a_file_of_the_forge_fits_its_schema(schema: str, files: list[Path]) -> None:
    check = [str(Path(sys.executable).parent / "check-jsonschema"), "--builtin-schema", schema]
    done = subprocess.run([*check, *map(str, files)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    assert files


def test_each_target_that_a_workflow_runs_is_the_makefile_s() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    text = "\n".join(file.read_text("utf-8") for file in (*WORKFLOWS, ACTION))
    named = set(re.findall(r"run: make ([a-z-]+)", text))
    assert {"lint", "test", "journeys", "lock", "setup"} <= named <= targets


def test_each_image_is_built_and_its_parts_are_listed() -> None:
    jobs = yaml.safe_load((GITHUB / "workflows" / "ci.yaml").read_text("utf-8"))["jobs"]
    built = {name: job["strategy"]["matrix"]["image"] for name, job in jobs.items() if "strategy" in job}
    assert built == {"images": [*IMAGES], "parts": [*IMAGES]}
    named = set(re.findall(r"deploy/[\w./-]+", str(jobs)))
    assert {each for each in named if not (ROOT / each).exists()} == set()


def test_actions_are_pinned_by_commit() -> None:
    text = "\n".join(file.read_text("utf-8") for file in (*WORKFLOWS, ACTION))
    used = re.findall(r"uses: (?!\./)(\S+)", text)
    assert used
    assert [each for each in used if not re.search(r"@[0-9a-f]{40}$", each)] == []


def test_a_workflow_may_only_read_unless_it_proposes_changes() -> None:
    permissions = {file.stem: yaml.safe_load(file.read_text("utf-8"))["permissions"] for file in WORKFLOWS}
    assert permissions["ci"] == {"contents": "read"}
    assert [name for name, each in permissions.items() if "write" in each.values()] == ["updates"]
