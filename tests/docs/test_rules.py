"""Each rule has tests that carry its number, and docs/rules.md lists them as they are."""

import os

from tests.rules import PAGE, RULES, marked, page


def test_every_mark_names_a_rule_and_every_rule_has_a_test() -> None:
    assert {number for number, _, _ in marked()} == set(RULES)


def test_only_tests_carry_a_rule() -> None:
    assert [name for _, _, name in marked() if not name.startswith("test_")] == []


def test_the_page_of_rules_is_current() -> None:
    if os.environ.get("RULES") == "write":
        PAGE.write_text(page())
    assert PAGE.read_text() == page(), "RULES=write pytest tests/docs/test_rules.py writes it anew"
