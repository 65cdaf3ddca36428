"""The pages on security: the tests that they name exist, and each requirement stands once."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "docs" / "security.md", ROOT / "docs" / "reference" / "asvs.md"]
NAMED = re.compile(r"`(tests/[\w/]+\.py)(?:::(test_\w+))?`")
NUMBER = re.compile(r"\d+\.\d+\.\d+")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_test_that_is_named_exists(page: Path) -> None:
    named = NAMED.findall(page.read_text("utf-8"))
    assert len(named) > 10
    for file, name in named:
        text = (ROOT / file).read_text("utf-8")
        assert not name or re.search(rf"def {name}\(", text), f"{file}::{name}"


def test_a_requirement_is_met_or_not_and_not_both() -> None:
    text = PAGES[1].read_text("utf-8")
    rows = [line.split("|")[1] for line in text.splitlines() if re.match(r"\| \d", line)]
    numbers = [each for row in rows for each in NUMBER.findall(row)]
    assert len(numbers) == len(set(numbers))
