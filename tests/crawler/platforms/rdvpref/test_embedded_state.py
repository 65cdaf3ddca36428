"""State that a page carries for its own script."""

from typing import Any

import pytest

from crawler.platforms.rdvpref import only, read_state, rows, values
from crawler.reading import Page
from tests.crawler.pages import page

STATE = {"a": [{"id": 1, "day": "x"}, {"id": 1, "day": "x"}, {"id": 2}], "b": {"day": "x", "c": {"list": []}}}


def carrying(script: str) -> Page:
    return page(f"<html><body>{script}</body></html>")


def test_what_the_one_script_of_that_id_says_under_a_key_is_read() -> None:
    told = carrying('<script id="s" type="application/json">{"a": "</p>é"}</script>')
    assert (read_state(told, "s", "a"), read_state(told, "s", "b")) == ("</p>é", None)


@pytest.mark.parametrize("script", [
    "", '<script id="t">{"a": 1}</script>', '<script id="s"></script>', '<script id="s">{"a": 1</script>',
    '<script id="s">{"a": 1}</script>' * 2, '<noscript><script id="s">{"a": 1}</script></noscript>', '<script id="s">["a"]</script>',
    '<!-- <script id="s">{"a": 1}</script> -->', '<template><script id="s">{"a": 1}</script></template>',
    f'<script id="s">{{"a": {"[" * 50_000}</script>',
])  # fmt: skip
def test_what_is_hidden_doubled_or_no_json_is_none(script: str) -> None:
    assert read_state(carrying(script), "s", "a") is None


def test_keys_are_found_however_deep_and_rows_once() -> None:
    assert values(STATE, "day") == ["x", "x", "x"]
    assert values(STATE, "list") == [[]]
    assert rows(STATE, "id") == [{"id": 1, "day": "x"}, {"id": 2}]


@pytest.mark.parametrize(("state", "found"), [
    ({"a": 1}, 1), ({"a": 1, "b": [{"a": 1}]}, 1), ({"a": 1, "b": [{"a": 2}]}, None), ({}, None), (None, None), ("a", None),
])  # fmt: skip
def test_a_value_that_is_not_the_same_everywhere_is_none(state: Any, found: object) -> None:
    assert only(state, "a") == found
