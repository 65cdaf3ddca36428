"""State that a page carries for its own script."""

from typing import Any

import pytest

from crawler.parsing.state import embedded, only, rows, values
from crawler.reading import Page
from tests.crawler.pages import page

STATE = {"a": [{"id": 1, "day": "x"}, {"id": 1, "day": "x"}, {"id": 2}], "b": {"day": "x", "c": {"list": []}}}


def carrying(script: str) -> Page:
    return page(f"<html><body>{script}</body></html>")


def test_the_one_script_of_that_id_is_read() -> None:
    assert embedded(carrying('<script id="s" type="application/json">{"a": "</p>é"}</script>'), "s") == {
        "a": "</p>é"
    }


@pytest.mark.parametrize("script", [
    "", '<script id="t">{}</script>', '<script id="s"></script>', '<script id="s">{"a":</script>',
    '<script id="s">{}</script><script id="s">{}</script>', '<noscript><script id="s">{}</script></noscript>',
    '<!-- <script id="s">{}</script> -->', f'<script id="s">{"[" * 50_000}</script>', '<template><script id="s">{}</script></template>',
])  # fmt: skip
def test_what_is_hidden_doubled_or_no_json_is_none(script: str) -> None:
    assert embedded(carrying(script), "s") is None


def test_keys_are_found_however_deep_and_rows_once() -> None:
    assert values(STATE, "day") == ["x", "x", "x"]
    assert values(STATE, "list") == [[]]
    assert rows(STATE, "id") == [{"id": 1, "day": "x"}, {"id": 2}]


@pytest.mark.parametrize(("state", "found"), [
    ({"a": 1}, 1), ({"a": 1, "b": [{"a": 1}]}, 1), ({"a": 1, "b": [{"a": 2}]}, None), ({}, None), (None, None), ("a", None),
])  # fmt: skip
def test_a_value_that_is_not_the_same_everywhere_is_none(state: Any, found: object) -> None:
    assert only(state, "a") == found
