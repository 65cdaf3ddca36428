"""docs/operations.md and docs/alarms.md: the commands that an operator copies exist."""

import importlib.util
import os
import re
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
PAGE = "\n".join((ROOT / "docs" / f"{name}.md").read_text("utf-8") for name in ("operations", "alarms"))
CODE = "\n".join(re.findall(r"`([^`\n]+)`", PAGE) + re.findall(r"```\w*\n(.*?)```", PAGE, re.DOTALL))


def _find(pattern: str, text: str = CODE) -> list[str]:
    found = sorted(set(re.findall(pattern, text)))
    assert found
    return found


def _list_services() -> set[str]:
    names = ("production", "prometheus")
    files = [ROOT / "deploy" / "compose" / f"{name}.yaml" for name in names]
    return {service for each in files for service in yaml.safe_load(each.read_text("utf-8"))["services"]}


@pytest.mark.parametrize("command", _find(r"\bflask ([a-z-]+)"))
def test_commands_of_flask_exist(command: str) -> None:
    assert entry_points(group="flask.commands", name=command)


@pytest.mark.parametrize("module", _find(r"python -m ([a-z_]+(?:\.[a-z_]+)*)"))
def test_modules_exist(module: str) -> None:
    assert importlib.util.find_spec(module)


@pytest.mark.parametrize("target", _find(r"(?<!`)\bmake ([a-z-]+)"))
def test_targets_of_make_exist(target: str) -> None:
    assert re.search(rf"^{target}\b[^=\n]*:", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)


@pytest.mark.parametrize("name", _find(r"`(?:logs|restart) ([a-z-]+)`", PAGE))
def test_programs_whose_log_is_read_exist(name: str) -> None:
    assert name in _list_services()


def test_commands_of_scrapy_are_found_outside_of_the_source(tmp_path: Path) -> None:
    """In an image there is no scrapy.cfg."""
    assert "-e SCRAPY_SETTINGS_MODULE=crawler.settings scrapyd scrapy" in PAGE
    scrapy = [sys.executable, "-m", "scrapy"]
    given = {**os.environ, "SCRAPY_SETTINGS_MODULE": "crawler.settings"}
    done = subprocess.run(scrapy, cwd=tmp_path, env=given, capture_output=True, text=True, timeout=240)
    known = set(re.findall(r"^  ([a-z]+) ", done.stdout, re.MULTILINE))
    assert set(_find(r"\bscrapy ([a-z]+)")) <= known
