"""Absence of slots on an HTML page: whether a sentence for none speaks of everything, and what takes it back.

A sentence proves nothing where it goes on to narrow itself, sets a condition or is quoted; beside words of trouble;
and on a page that announces its next availability.
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import date
from typing import NamedTuple

from lxml.html import HtmlElement

from crawler.parsing.announcements import find_announcements
from crawler.parsing.date_windows import day_of
from crawler.parsing.html_text import contains_phrase, rendered_text, title
from crawler.parsing.narrowed_sentences import is_narrowed
from crawler.parsing.no_slot_phrases import find_denial, speaks_of_page_trouble
from crawler.reading import Page

_INLINE = re.compile(
    "a|abbr|b|bd[io]|big|cite|code|data|dfn|em|font|i|ins|kbd|label|mark|q|s|samp|small|span|strong|su[bp]|time|tt|u|var"
)
_QUOTES = ("q", "cite", "blockquote", "code", "pre", "dfn", "figcaption", "details")
_ALERTS = "//*[@role='alert' or @role='status' or @role='alertdialog']"
_MAINTENANCE = re.compile(r"(?i)\b(?:maintenance|indisponible)\b")  # in a title: crawler/block_pages.py
_MOST_BLOCKS = 50
_LONGEST_BLOCK = 2000  # characters; a longer text is no paragraph
_LONGEST_QUOTE = 200


class Statement(NamedTuple):
    """A page's words for none; `doubt`: why they prove nothing, `beyond`: a next availability behind the horizon."""

    words: str
    doubt: str = ""
    beyond: str = ""


def find_statement(root: HtmlElement, sentence: str) -> Statement | None:
    """Return how a page states a sentence for none; None where it does not.

    One block that states it for everything is enough. Otherwise the doubt quotes a block that does not.
    """
    if not contains_phrase(rendered_text(root), sentence):
        return None
    doubt = ""
    for block in _blocks_with(root, sentence):
        found = "in a quote" if _is_quote(block) else doubt_of(rendered_text(block), sentence)
        if not found:
            return Statement(sentence)
        doubt = doubt or found
    return Statement(sentence, doubt)


def read_mark(mark: HtmlElement, name: str) -> Statement:
    """Return the statement of an element that marks the absence of slots; `name` stands for one without words."""
    text = rendered_text(mark)
    said = Statement(text[:_LONGEST_QUOTE] or name)
    denial = find_denial(text)
    return said._replace(doubt=doubt_of(text, denial)) if denial else said


def doubt_of(text: str, sentence: str, *, asked: str = "") -> str:
    """Return why a text does not state a sentence for everything that was asked; empty if it does.

    `asked`: see `is_narrowed`.
    """
    if is_narrowed(text, sentence, asked=asked):
        return f"in words that narrow or quote it: {text[:_LONGEST_QUOTE]!r}"
    trouble = speaks_of_page_trouble(text[:_LONGEST_BLOCK], sentence)
    return f"beside words of trouble: {trouble!r}" if trouble else ""


def check_page(page: Page, said: Statement, aside: Sequence[HtmlElement] = ()) -> Statement:
    """Return a statement with what the rest of its page makes of it: trouble, or a next availability.

    Announcements in the parts `aside` do not count.
    """
    if said.doubt:
        return said
    if trouble := find_page_trouble(page, said.words):
        return said._replace(doubt=f"beside words of trouble: {trouble!r}")
    return _check_announcements(page, said, aside)


def find_page_trouble(page: Page, sentence: str) -> str:
    """Return the word of trouble in a page's title or alerts, apart from its sentence for none; empty without one."""
    alerts = (rendered_text(each)[:_LONGEST_BLOCK] for each in page.root.xpath(_ALERTS)[:_MOST_BLOCKS])
    named = _MAINTENANCE.sub(" ", title(page.root))
    found = (speaks_of_page_trouble(each, sentence) for each in (named, *alerts))
    return next(filter(None, found), "")


def _check_announcements(page: Page, said: Statement, aside: Sequence[HtmlElement]) -> Statement:
    visit, parts = page.visit, set(aside)
    outer = [each for each in aside if not any(around in parts for around in each.iterancestors())]
    left = Counter(_announced(page, page.root)) - Counter(
        found for each in outer for found in _announced(page, each)
    )
    for words, moment in left:
        if moment is None or day_of(moment, visit.zone) <= visit.last_day:
            when = "a day that cannot be read" if moment is None else moment.isoformat()
            return said._replace(doubt=f"and announces {words!r}: {when}")
    days = [day_of(moment, visit.zone) for _, moment in left if moment]
    if not days:
        return said
    far = f"the next availability is {min(days)}, beyond the {visit.horizon.days} days that are watched"
    return said._replace(beyond=far)


def _announced(page: Page, node: HtmlElement) -> Iterator[tuple[str, date | None]]:
    return find_announcements(rendered_text(node), page.visit.today, page.visit.zone)


def _blocks_with(root: HtmlElement, sentence: str) -> list[HtmlElement]:
    """Return the smallest blocks that contain a sentence, a table's row as one."""
    found: dict[HtmlElement, None] = {}
    waiting = [root]
    while waiting and len(found) < _MOST_BLOCKS:
        node = waiting.pop()
        inner = [
            each
            for each in node
            if isinstance(each.tag, str) and contains_phrase(rendered_text(each), sentence)
        ]
        waiting += inner
        if not inner:
            found[_block_of(node)] = None
    return list(found)


def _block_of(node: HtmlElement) -> HtmlElement:
    """Return the block around a node; a cell's is its row, whose first cell may narrow it, a description's its list."""
    while (
        _INLINE.fullmatch(str(node.tag))
        and node.tag not in _QUOTES
        and (parent := node.getparent()) is not None
    ):
        node = parent
    row = next(node.iterancestors("tr", "dl"), None) if node.tag in ("td", "th", "dd") else None
    return node if row is None else row


def _is_quote(block: HtmlElement) -> bool:
    return any(each.tag in _QUOTES for each in (block, *block.iterancestors()))
