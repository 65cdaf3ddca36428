"""The Dockerfile of both images: hadolint, what runs in them and as whom, and what is not in them."""

import re
import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path

from deploy.program_imports import IMAGES, OURS
from tests.deploy.compose_files import (
    DOCKERFILE,
    ROOT,
    image_of,
    local_commands,
    plain,
    services,
)

TEXT = DOCKERFILE.read_text("utf-8")
STAGES = {part.split("\n")[0].split()[-1]: part for part in re.split(r"^FROM ", TEXT, flags=re.MULTILINE)[1:]}


def test_hadolint_finds_nothing() -> None:
    hadolint = str(Path(sys.executable).parent / "hadolint")
    done = subprocess.run([hadolint, str(DOCKERFILE)], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (0, "")


def test_the_services_run_in_the_images_that_are_built() -> None:
    ours = [each for each in services().values() if image_of(each)]
    assert {image_of(each) for each in ours} == set(IMAGES)
    assert all(each["build"]["target"] == image_of(each) for each in ours)
    assert {name for name, each in services().items() if image_of(each) == "app-browser"} == {
        "planner",
        "proofs",
        "scrapyd",
    }


def test_an_image_is_built_of_its_part_of_the_lock_and_tried() -> None:
    for image in IMAGES:
        made = STAGES[f"{image}-environment"]
        assert f"deploy/cut_lock.py {image} > {image}.txt" in made
        assert re.search(rf"--require-hashes (-r )?{image}\.txt", made)
        assert made.rstrip().endswith(f"python -m deploy.program_imports {image}")
        assert f"COPY --from={image}-environment /opt/rdvpriority /opt/rdvpriority\n" in STAGES[image]
    assert (
        len(re.findall("--require-hashes", TEXT)) == len(re.findall(r"RUN python deploy/cut_lock", TEXT)) == 3
    )


def test_bases_are_pinned_by_digest_and_tools_are_of_the_server_s_version() -> None:
    bases = {name: stage.split()[0] for name, stage in STAGES.items() if stage.split()[0] not in STAGES}
    assert bases.keys() == {"base", "postgres"}
    assert bases["postgres"] == services()["postgres"]["image"]
    assert re.fullmatch(r"python:3\.11\.\d+-slim-bookworm@sha256:[0-9a-f]{64}", bases["base"])
    for tool in ("pg_basebackup", "pg_dump", "pg_restore", "pg_verifybackup"):
        assert f"{tool} --version" in STAGES["program"]


def test_a_program_runs_as_nobody_in_particular_below_tini() -> None:
    assert '\nENTRYPOINT ["tini", "--"]\n' in STAGES["program"]
    for image in IMAGES:
        assert STAGES[image].startswith("program AS")
        assert STAGES[image].rstrip().endswith("\nUSER 10001:10001")
    assert "\nUSER " not in STAGES["program"]


def test_images_run_what_a_local_stack_runs() -> None:
    local, ours = local_commands(), services()
    for name in ("background", "notifier", "planner", "proofs", "scrapyd"):
        assert plain(ours[name]["command"]) == local[name]
    for name in ("api-1", "api-2"):  # each has one of a stack's two workers
        one = " ".join(plain(ours[name]["command"]))
        assert one.replace("--workers 1", "--workers 2") == " ".join(local["api"])


def test_the_browser_is_in_its_image_only() -> None:
    assert [name for name, stage in STAGES.items() if "chromium" in stage] == ["app-browser"]


def test_what_is_copied_into_an_image_is_ours_and_needed() -> None:
    lines = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]
    allowed = {rule[1:] for rule in rules if rule.startswith("!")}
    assert rules[0] == "*"
    assert allowed == {"setup.cfg", "pyproject.toml", "api", "configs", "crawler", "deploy", "notifier"}
    left_out = [rule for rule in rules[1:] if not rule.startswith("!")]
    paths = [name.replace(".", "/") for name in OURS]
    assert not [path for path in paths for rule in left_out if fnmatch(path, rule)]
    assert {"deploy/sandbox", "**/__pycache__"} <= set(left_out)
