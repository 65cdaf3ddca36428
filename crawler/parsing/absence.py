"""Absence of slots on a page: its sentence for none, the proof in it, and what makes it doubtful.

A sentence proves nothing where it goes on to narrow itself, sets a condition or is quoted; beside words of trouble;
and on a page that announces its next availability.
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import date
from typing import NamedTuple

from lxml import etree
from lxml.html import HtmlElement

from crawler.parsing.announcements import find_announcements
from crawler.parsing.dates import day_of
from crawler.parsing.error_pages import LONGEST_QUOTE, MAINTENANCE
from crawler.parsing.html_text import rendered_text
from crawler.parsing.no_slot_phrases import find_denial, speaks_of_page_trouble
from crawler.parsing.normal_form import collapse_whitespace, fold, folds_to_phrase
from crawler.parsing.sentence_limits import is_narrowed, names_days
from crawler.reading import Page

_INLINE = re.compile(
    "a|abbr|b|bd[io]|big|cite|code|data|dfn|em|font|i|ins|kbd|label|mark|q|s|samp|small|span|strong|su[bp]|time|tt|u|var"
)
_QUOTES = (
    *("q", "cite", "blockquote", "code", "pre", "dfn", "figcaption", "details", "samp", "kbd"),
    *("del", "s", "strike"),  # what is struck out is taken back
)
_ROLES = frozenset(("alert", "status", "alertdialog"))
_ALERTS = etree.XPath(
    # Attributes first: `//*[@role]` takes twice as long.
    "//@role/.. | //@aria-live[. = 'assertive']/.. | //output | //dialog[@open] | //h1"
)
# Classes of common style sheets, which are not read. They hide what waits to be shown: a spinner, a dialogue.
_UNSHOWN = frozenset("d-none hidden hide is-hidden fr-hidden invisible modal collapse w3-hide".split())  # noqa: SIM905
_TITLES = etree.XPath("//title[not(ancestor::svg)]/text()")  # two, where a page is sent inside another
# One axis: reading the text of parts (XSLT) disturbs the order in which libxml2 joins the results of several.
_HEADING = " or ".join(f"self::{each}" for each in "h1 h2 h3 h4 h5 h6 legend caption".split())  # noqa: SIM905
_NEAREST_HEADING = f"preceding::*[{_HEADING}][1]"
_IS_SENTENCE = re.compile(r"\w{2}\s?[.!?…](?:\s|$)")
_HARMLESS = re.compile(r"(?i)\b(?:utilis\w+|uses?) (?:des |de |only |uniquement )*cookies\b[^.!?]*[.!?]")
_MOST_BLOCKS = 50
_LONGEST_BLOCK = 2000  # characters; a longer text is no paragraph


class Statement(NamedTuple):
    """A page's words for none; `doubt`: why they prove nothing, `beyond`: a next availability behind the horizon."""

    words: str
    doubt: str = ""
    beyond: str = ""


def find_statement(page: Page, sentence: str) -> Statement | None:
    """Return how a page states a sentence for none; None where it does not.

    One block that states it for everything is enough, unless another one has words of trouble beside it. Otherwise the
    doubt quotes a block that does not.
    """
    if not folds_to_phrase(page.folded, sentence):
        return None
    blocks = _blocks_with(page.root, sentence)
    if trouble := next(filter(None, (_find_trouble(rendered_text(each), sentence) for each in blocks)), ""):
        return Statement(sentence, trouble)
    doubts = [_doubt_around(each) or doubt_of(rendered_text(each), sentence) for each in blocks]
    return Statement(sentence, next(iter(doubts), "") if all(doubts) else "")


def read_mark(mark: HtmlElement, name: str) -> Statement:
    """Return the statement of an element that marks the absence of slots; `name` replaces an empty one."""
    text = rendered_text(mark)
    said = Statement(text[:LONGEST_QUOTE] or name)
    denial = find_denial(text)
    return said._replace(doubt=doubt_of(text, denial)) if denial else said


def doubt_of(text: str, sentence: str, *, asked: str = "") -> str:
    """Return why a text does not state a sentence for everything that was asked; empty if it does.

    `asked`: see `is_narrowed`.
    """
    if is_narrowed(text, sentence, asked=asked):
        return f"in words that narrow or quote it: {text[:LONGEST_QUOTE]!r}"
    return _find_trouble(text, sentence)


def _find_trouble(text: str, sentence: str) -> str:
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
    """Return the word of trouble in a page's title, main heading or alerts; empty without one.

    Its sentence for none does not count.
    """
    alerts = _list_alerts(page)
    titles = " ".join(str(each) for each in _TITLES(page.root)[:_MOST_BLOCKS])
    named = MAINTENANCE.sub(" ", collapse_whitespace(titles[:_LONGEST_BLOCK]))
    found = (speaks_of_page_trouble(each, sentence) for each in (named, *alerts))
    return next(filter(None, found), "")


def find_unread_alert(page: Page, sentence: str) -> str:
    """Return the first sentence in an alert or main heading that is not the one for none; empty without one.

    Nobody has read what it says. A title is no sentence.
    """
    alerts = (_HARMLESS.sub("", each) for each in _list_alerts(page))
    unread = (each for each in alerts if not folds_to_phrase(fold(each), sentence))
    return next((each[:LONGEST_QUOTE] for each in unread if _IS_SENTENCE.search(each)), "")


def _list_alerts(page: Page) -> list[str]:
    """Return the texts of alerts and main headings."""
    shown = [each for each in _ALERTS(page.root) if _is_alert(each)]
    return [rendered_text(each)[:_LONGEST_BLOCK] for each in shown[:_MOST_BLOCKS]]


def _is_alert(node: HtmlElement) -> bool:
    roles = node.get("role", "").lower().split()
    if roles and not _ROLES.intersection(roles) and node.get("aria-live") != "assertive":
        return False
    return not any(
        _UNSHOWN.intersection(each.get("class", "").split()) for each in (node, *node.iterancestors())
    )


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
    return find_announcements(page.folded if node is page.root else fold(rendered_text(node)), page.visit)


def _blocks_with(root: HtmlElement, sentence: str) -> list[HtmlElement]:
    """Return the smallest blocks that contain a sentence, a table's row as one."""
    found: dict[HtmlElement, None] = {}
    waiting = [root]
    while waiting and len(found) < _MOST_BLOCKS:
        node = waiting.pop()
        inner = [
            each for each in node.iterchildren("*") if folds_to_phrase(fold(rendered_text(each)), sentence)
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


def _doubt_around(block: HtmlElement) -> str:
    """Return why a block proves no absence, or one of some days only; empty if it proves it."""
    if any(each.tag in _QUOTES for each in (block, *block.iterancestors())):
        return "in a quote"
    select = next(block.iterancestors("select"), None)
    if select is not None and len(list(select.iter("option"))) > 1:
        return "in one of several options"
    over = block.xpath(f"{_NEAREST_HEADING} | ancestor-or-self::table[1]//th")
    return next((f"below {text!r}" for text in map(rendered_text, over) if names_days(text)), "")
