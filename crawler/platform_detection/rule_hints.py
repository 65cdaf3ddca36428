"""Hints for rules of an unknown page (platform `selectors`); the operator decides which of them are right."""

import re
from collections import defaultdict
from collections.abc import Iterator

from lxml import html

from crawler.parsing.date_parsing import moment_of
from crawler.parsing.date_windows import day_of
from crawler.parsing.html_text import UNSEEN, visible_text
from crawler.reading import Page

_FEW = 3
_LONGEST = 120  # characters of a text with a moment, or of a denial
_MOST = 3000  # elements that are examined
_DATED = f"//*[self::a or self::button or self::li or self::td or self::option or self::label][not({UNSEEN})]"
_NONE = re.compile(
    r"(?i)[^.!?]*\b(?:aucune?|(?:plus|pas) (?:de|d')) ?[^.!?]*"
    r"\b(?:rendez-vous|cr[ée]neaux?|disponib|plages?|horaires?)[^.!?]*[.!?]?"
)
_NAME = re.compile(r"[A-Za-z_][\w-]*")


def find_hints(page: Page) -> Iterator[str]:
    """Yield elements with future dates, sentences that may mean no slots, and drop-downs."""
    for selector, texts in list(_find_dated(page).items())[:_FEW]:
        yield f"could be slots: {len(texts)} with a date ahead at {selector}, e.g. {texts[0]!r}"
    for said in list(dict.fromkeys(_sentences(page)))[:_FEW]:
        yield f"could be the no_slot_text: {said!r}"
    for choice in page.root.xpath(f"//select[not({UNSEEN})]")[:_FEW]:
        offered = [visible_text(option) for option in choice.xpath(".//option[@value!='']")[:_FEW]]
        yield f"could be a step: {_selector(choice)}, with {', '.join(map(repr, offered)) or 'nothing to choose'}"


def _find_dated(page: Page) -> dict[str, list[str]]:
    """Return the texts with a day from today on, by selector; of nested elements the innermost."""
    found: dict[str, list[str]] = defaultdict(list)
    outer: set[html.HtmlElement] = set()
    for element in reversed(page.root.xpath(_DATED)[:_MOST]):  # inner elements come later in a document
        text = visible_text(element)
        if element in outer or len(text) > _LONGEST:
            continue
        moment = moment_of(text, None, page.visit)
        if moment and day_of(moment, page.visit.zone) >= page.visit.today:
            outer.update(element.iterancestors())
            found[_selector(element)].insert(0, text)
    return dict(sorted(found.items(), key=lambda each: -len(each[1])))


def _sentences(page: Page) -> Iterator[str]:
    for element in page.root.xpath(
        f"//*[text()[normalize-space()]][not({UNSEEN} or self::script or self::style)]"
    ):
        text = visible_text(element)
        if len(text) <= 3 * _LONGEST and (said := _NONE.search(text)) and len(said[0]) <= _LONGEST:
            yield said[0].strip()


def _selector(element: html.HtmlElement) -> str:
    """Return CSS for an element and its like: by its own class or name, else by its parent's."""
    own, parent = _mark(element), element.getparent()
    if own != element.tag or parent is None or not isinstance(parent.tag, str):
        return own
    return f"{_mark(parent)} > {own}"


def _mark(element: html.HtmlElement) -> str:
    tag = str(element.tag)
    classes = [each for each in (element.get("class") or "").split() if _NAME.fullmatch(each)]
    if classes:
        return f"{tag}.{classes[0]}"
    name = element.get("name") or ""
    return f"{tag}[name={name}]" if _NAME.fullmatch(name) else tag
