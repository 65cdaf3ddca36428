"""Each rule has tests that carry its number."""

from tests.rules import RULES, list_marks


def test_every_rule_has_a_test() -> None:
    assert {number for number, _, _ in list_marks()} == set(RULES)
    assert [name for _, _, name in list_marks() if not name.startswith("test_")] == []
