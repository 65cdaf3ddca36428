"""Selectors from desk files: CSS, or XPath where they begin as one. One that does not compile is refused."""

import re
from functools import lru_cache
from typing import Annotated

from cssselect import SelectorError
from lxml import etree, html
from lxml.cssselect import CSSSelector
from pydantic import AfterValidator, Field

from crawler.parsing.markup import UNSEEN, plain, visible

_XPATH = re.compile(r"xpath=|/|\(|\.\.|\./|\.$")  # as Playwright tells them apart, and `.`, the node itself
# XPath says that it knows no such function only when it comes by an element to ask it of.
_TRIED_ON = html.document_fromstring(
    "".join(
        f"<{tag} class='a' id='a'>a</{tag}>"
        for tag in ["a", "button", "div", "form", "h1", "h2", "h3", "li", "p", "span", "td", "th", "tr"]
    )
)


def _compiles(selector: str) -> str:
    try:
        found = _compiled(selector)(_TRIED_ON)
    except (SelectorError, etree.XPathError) as error:
        raise ValueError(f"is neither CSS nor XPath ({error}): {selector}") from None
    if not isinstance(found, list | str):
        raise ValueError(f"finds a {type(found).__name__}: it must find elements, attributes or texts")  # noqa: TRY004 -- pydantic takes ValueError
    return selector


Selector = Annotated[str, Field(min_length=1, max_length=1000), AfterValidator(_compiles)]
Match = html.HtmlElement | str


def found(node: html.HtmlElement, selector: str) -> list[Match]:
    """Return what a selector finds from a node on: elements that can be seen, and attributes or texts as strings."""
    matches = _compiled(selector)(node)
    listed = [matches] if isinstance(matches, str) else matches
    return [each for each in listed if isinstance(each, str) or _can_be_seen(each)]


def one_text(node: html.HtmlElement, selector: str) -> str | None:
    """Return the one text that a selector finds; None where it finds none, and where it finds several."""
    texts = {plain(each) if isinstance(each, str) else visible(each) for each in found(node, selector)} - {""}
    return texts.pop() if len(texts) == 1 else None


def as_xpath(selector: str) -> str | None:
    """Return the XPath of a selector; None where it is CSS."""
    return selector.removeprefix("xpath=") if _XPATH.match(selector) else None


@lru_cache(maxsize=2048)
def _compiled(selector: str) -> etree.XPath:
    if xpath := as_xpath(selector):
        return etree.XPath(xpath, smart_strings=False)
    return CSSSelector(selector.removeprefix("css="), translator="html")


def _can_be_seen(node: html.HtmlElement) -> bool:
    return isinstance(node.tag, str) and not node.xpath(f"boolean({UNSEEN})")
