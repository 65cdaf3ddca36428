"""docs/architecture.md names the tests that hold each rule, and the platforms that are longer than agreed."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAPER = (ROOT / "docs" / "architecture.md").read_text()
NAMED = sorted(set(re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", PAPER)))
ROWS = re.findall(r"^\| (\d+)[^|]*\|([^|]*)\|$", PAPER, re.MULTILINE)
CELLS = re.findall(r"^\|[^|]*\|([^|]*tests/[^|]*)\|$", PAPER, re.MULTILINE)


@cache
def functions_of(path: str) -> set[str]:
    file = ROOT / path
    tree = ast.parse(file.read_text()) if file.exists() else ast.Module([], [])
    return {each.name for each in tree.body if isinstance(each, ast.FunctionDef)}


@pytest.mark.parametrize(("path", "name"), NAMED, ids=map("::".join, NAMED))
def test_a_test_that_holds_a_rule_exists(path: str, name: str) -> None:
    assert name.startswith("test_")
    assert name in functions_of(path)


def test_every_rule_is_held_by_a_test() -> None:
    assert {int(number) for number, _ in ROWS} == set(range(1, 13))
    assert [number for number, held in ROWS if "`tests/" not in held] == []


def test_every_name_in_the_tables_is_written_so_that_it_is_checked() -> None:
    assert len(CELLS) > len(ROWS)
    assert [name for cell in CELLS for name in cell.split(", ") if not _reads(name)] == []


def _reads(cell: str) -> bool:
    return re.fullmatch(r"`tests/[\w/]+\.py::\w+`", cell.strip()) is not None


def test_every_platform_that_is_longer_than_agreed_is_named_with_its_reason() -> None:
    agreed = int(re.findall(r"^\* \*\*Most platforms are longer than (\d+) lines", PAPER, re.MULTILINE)[0])
    reasons = PAPER.partition("**Most platforms are longer")[2].partition("\n* ")[0]
    readers = [file for file in (ROOT / "crawler" / "platforms").glob("*.py") if file.stem != "__init__"]
    long = {file.stem for file in readers if len(file.read_text().splitlines()) > agreed}
    assert long - set(re.findall(r"`(\w+)`", reasons)) == set()
    assert len(long) > len(readers) / 2
