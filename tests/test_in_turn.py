import inspect

import pytest

from tests.in_turn import in_turn


def test_every_case_is_tried_and_each_that_fails_is_named() -> None:
    tried = []

    @in_turn("number, word", [(1, "one"), (2, "two"), (3, "three")], lambda case: case[1])
    def check(number: int, word: str, fixture: str) -> None:
        tried.append((number, fixture))
        assert number == 2, f"it is {number}"

    assert list(inspect.signature(check).parameters) == ["fixture"]
    with pytest.raises(ExceptionGroup, match="2 of 3 cases fail") as raised:
        check(fixture="f")
    assert tried == [(1, "f"), (2, "f"), (3, "f")]
    assert [(str(each).partition("\n")[0], each.__notes__) for each in raised.value.exceptions] == [
        ("it is 1", ["in the case one"]),
        ("it is 3", ["in the case three"]),
    ]


def test_a_list_without_cases_is_an_error() -> None:
    with pytest.raises(AssertionError, match="no case"):
        in_turn("number", [])
