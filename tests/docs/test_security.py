"""The pages on security: the tests that they name exist, and each requirement stands once."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "docs" / "security.md", ROOT / "docs" / "reference" / "asvs.md"]
NAMED = re.compile(r"`(tests/[\w/]+\.py)(?:::(test_\w+))?`")
NUMBER = re.compile(r"\d+\.\d+\.\d+")
LARGEST_CELL = 200


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_test_that_is_named_exists(page: Path) -> None:
    named = NAMED.findall(page.read_text("utf-8"))
    assert len(named) > 10
    for file, name in named:
        text = (ROOT / file).read_text("utf-8")
        assert not name or re.search(rf"def {name}\(", text), f"{file}::{name}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_no_test_is_named_in_another_way(page: Path) -> None:
    text = page.read_text("utf-8")
    assert len(re.findall(r"tests/[\w/]+\.py", text)) == len(NAMED.findall(text))
    assert len(re.findall(r"test_\w+\.py|def test", text)) == len(NAMED.findall(text))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_cells_are_short(page: Path) -> None:
    rows = [line for line in page.read_text("utf-8").splitlines() if line.startswith("|")]
    assert [cell for row in rows for cell in row.split("|") if len(cell) > LARGEST_CELL + 2] == []


def test_a_requirement_is_met_or_not_and_not_both() -> None:
    text = PAGES[1].read_text("utf-8")
    rows = [line.split("|")[1] for line in text.splitlines() if re.match(r"\| \d", line)]
    numbers = [each for row in rows for each in NUMBER.findall(row)]
    assert len(numbers) == len(set(numbers))
