"""Each rule has tests that carry its number, and docs/rules.md lists them as they are."""

import os

from tests.rules import PAGE, RULES, list_marks, page


def test_every_rule_has_a_test_and_the_page_lists_them_as_they_are() -> None:
    assert {number for number, _, _ in list_marks()} == set(RULES)
    assert [name for _, _, name in list_marks() if not name.startswith("test_")] == []
    if os.environ.get("RULES") == "write":
        PAGE.write_text(page())
    assert PAGE.read_text() == page(), "RULES=write pytest tests/docs/test_rules.py writes it anew"
