"""Sentences by which a site says that it answers nobody now, or never will again here."""

import re
from collections.abc import Sequence
from typing import NamedTuple

from lxml.html import HtmlElement

from crawler.parsing.html_text import rendered_text, visible_text
from crawler.reading import Outcome, Page, Reading

_LONGEST = 200  # characters of a page's words
_MOST = 100  # elements that a sentence is looked for in


class Notice(NamedTuple):
    """A sentence and what it means. `within`: XPath of the elements that it stands in.

    `said`: the reason; left out, the page's own words are.
    """

    outcome: Outcome
    words: re.Pattern[str]
    within: str
    said: str = ""


def find_notice(page: Page, notices: Sequence[Notice], hints: Sequence[str] = ("",)) -> Reading | None:
    """Say what the first of these sentences means that a page shows; None where it shows none.

    `hints`: plain words in lower case, one of which stands in every such page: the others are spared a long look. Left
    out, every page is looked at.
    """
    lowered = page.text.lower()
    if not any(hint in lowered for hint in hints):
        return None
    places = {notice.within for notice in notices}
    texts = {each: [_text_of(node) for node in page.root.xpath(each)[:_MOST]] for each in places}
    for notice in notices:
        if any(map(notice.words.search, texts[notice.within])):
            return Reading(notice.outcome, notice.said or visible_text(page.root)[:_LONGEST])
    return None


def _text_of(node: HtmlElement) -> str:
    """Return a node's text as a person sees it; a title stands in the browser's frame."""
    return visible_text(node) if node.tag == "title" else rendered_text(node)
