import re

import pytest

from configs.outcome import Outcome
from crawler.parsing.notices import Notice, find_notice
from crawler.reading import Reading
from tests.crawler.pages import page

NOTICES = (
    Notice(Outcome.OVERLOADED, re.compile("(?i)too busy"), "//h1"),
    Notice(Outcome.CLOSED, re.compile("gone for good"), "/*", said="gone for good"),
)
HINTS = ("busy", "gone")


@pytest.mark.parametrize(
    ("body", "reading"),
    [
        ("<h1>TOO <b>busy</b></h1><p>Later.</p>", Reading(Outcome.OVERLOADED, "TOO busy Later.")),
        ("<p>This is gone\n for good.</p>", Reading(Outcome.CLOSED, "gone for good")),
        ("<h1>Too busy</h1><p>gone for good</p>", Reading(Outcome.OVERLOADED, "Too busy gone for good")),
        (f"<h1>Too busy</h1>{'x' * 300}", Reading(Outcome.OVERLOADED, f"Too busy {'x' * 191}")),
        ("<p>too busy</p>", None),
        ("<script>gone for good</script>", None),
        ("<h1>Welcome</h1>", None),
    ],
)
def test_the_first_sentence_that_a_page_shows_in_its_place_is_what_it_means(
    body: str, reading: Reading | None
) -> None:
    assert find_notice(page(f"<html><body>{body}</body></html>"), NOTICES, HINTS) == reading


def test_a_page_without_a_hint_is_not_looked_at() -> None:
    assert find_notice(page("<h1>Too busy</h1>"), NOTICES, ("gone",)) is None
