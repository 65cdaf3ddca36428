"""Everything that the docs point at exists: files, other pages and their headings."""

import importlib.util
import pkgutil
import re
from collections import Counter
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path

import scrapy.commands
import yaml

from api.jobs.schedule import list_jobs
from api.models.all import RECORDS
from crawler.settings import COMMANDS_MODULE
from tests.in_turn import in_turn
from tests.rules import RULES, list_marks

ROOT = Path(__file__).parents[2]
PAPERS = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
_CODE = re.compile(r"`([^`\n]+)`")
_FILE = re.compile(r"(?:api|configs|crawler|deploy|docs|notifier|tests)/[\w./-]+")
_LINK = re.compile(r"\]\((?!\w+:)([^)#\s]*)(?:#([^)\s]+))?\)")


@cache
def headings(paper: Path) -> set[str]:
    """Return the anchors that a page's headings get."""
    titles = re.findall(r"^#+ (.+)$", paper.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


@in_turn("paper", PAPERS, str)
def test_the_files_that_a_page_names_exist(paper: Path) -> None:
    words = (word for code in _CODE.findall(paper.read_text()) for word in code.split())
    assert [word for word in words if _FILE.fullmatch(word) and not (ROOT / word).exists()] == []


@in_turn("paper", PAPERS, str)
def test_the_links_of_a_page_lead_somewhere(paper: Path) -> None:
    for target, anchor in _LINK.findall(paper.read_text()):
        there = paper.parent / target if target else paper
        assert there.exists(), target
        assert not anchor or anchor in headings(there), f"{target}#{anchor}"


# Each rule has tests that carry its number


def test_every_rule_has_a_test() -> None:
    assert {number for number, _, _ in list_marks()} == set(RULES)
    assert [name for _, _, name in list_marks() if not name.startswith("test_")] == []


# docs/operations.md and docs/alarms.md

OPERATIONS = "\n".join((ROOT / "docs" / f"{name}.md").read_text("utf-8") for name in ("operations", "alarms"))
CODE = "\n".join(
    re.findall(r"`([^`\n]+)`", OPERATIONS) + re.findall(r"```\w*\n(.*?)```", OPERATIONS, re.DOTALL)
)


def _find(pattern: str, text: str = CODE) -> list[str]:
    found = sorted(set(re.findall(pattern, text)))
    assert found
    return found


def _list_services() -> set[str]:
    names = ("production", "prometheus")
    files = [ROOT / "deploy" / "compose" / f"{name}.yaml" for name in names]
    return {service for each in files for service in yaml.safe_load(each.read_text("utf-8"))["services"]}


@in_turn("command", _find(r"\bflask ([a-z-]+)"))
def test_commands_of_flask_exist(command: str) -> None:
    assert entry_points(group="flask.commands", name=command)


@in_turn("module", _find(r"python -m ([a-z_]+(?:\.[a-z_]+)*)"))
def test_modules_exist(module: str) -> None:
    assert importlib.util.find_spec(module)


@in_turn("target", _find(r"(?<!`)\bmake ([a-z-]+)"))
def test_targets_of_make_exist(target: str) -> None:
    assert re.search(rf"^{target}\b[^=\n]*:", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)


@in_turn("name", _find(r"`(?:logs|restart) ([a-z-]+)`", OPERATIONS))
def test_programs_whose_log_is_read_exist(name: str) -> None:
    assert name in _list_services()


def test_commands_of_scrapy_are_found_outside_of_the_source() -> None:
    """In an image there is no scrapy.cfg."""
    assert "-e SCRAPY_SETTINGS_MODULE=crawler.settings scrapyd scrapy" in OPERATIONS
    ours = importlib.import_module(COMMANDS_MODULE)
    known = {each.name for each in pkgutil.iter_modules([*ours.__path__, *scrapy.commands.__path__])}
    assert set(_find(r"\bscrapy ([a-z]+)")) <= known


# The record of docs/privacy.md names each column of each table once, in words that the page defines

PRIVACY = (Path(__file__).parents[2] / "docs" / "privacy.md").read_text()
Row = tuple[str, ...]


def read_table(heading: str) -> list[Row]:
    """Return the rows of the first table under a heading, without its two head lines."""
    section = PRIVACY.split(f"\n## {heading}\n", 1)[1]
    found = re.search(r"(?:^\|.*\n)+", section, re.MULTILINE)
    assert found, heading
    return [tuple(cell.strip() for cell in line.strip("|").split("|")) for line in found[0].splitlines()[2:]]


def test_each_column_of_each_table_has_one_line_and_each_line_a_column() -> None:
    columns = [(each.__tablename__, name) for each in RECORDS for name in each.__table__.columns.keys()]  # noqa: SIM118 -- a ColumnCollection iterates over columns
    record = read_table("Record")
    lines = [(table.strip("`"), name) for table, names, *_ in record for name in names.split(", ")]
    assert Counter(lines) == Counter(columns)


def test_the_jobs_that_enforce_it_are_scheduled() -> None:
    named = {job for *_, enforced in read_table("How long") for job in re.findall(r"`(\w+)`", enforced)}
    assert named
    assert named <= {job.name for job in list_jobs()}
