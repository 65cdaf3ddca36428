"""docs/security.md: the tests that it names exist."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "security.md"
NAMED = re.compile(r"`(tests/[\w/]+\.py)(?:::(test_\w+))?`")


def test_every_test_that_is_named_exists() -> None:
    named = NAMED.findall(PAGE.read_text("utf-8"))
    assert len(named) > 10
    for file, name in named:
        text = (ROOT / file).read_text("utf-8")
        assert not name or re.search(rf"def {name}\(", text), f"{file}::{name}"
