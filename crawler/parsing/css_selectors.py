"""Selectors from desk files: CSS, or XPath where they begin as one. One that does not compile is refused.

CSS has Scrapy's `::text` and `::attr(name)` too, for a part of an element.
"""

import re
from functools import lru_cache
from typing import Annotated, Any

from cssselect import SelectorError
from lxml import etree, html
from lxml.cssselect import CSSSelector, LxmlHTMLTranslator
from parsel.csstranslator import TranslatorMixin
from pydantic import AfterValidator, Field

from crawler.parsing.html_text import CONCEALED, UNSEEN, collapse_whitespace, visible_text

_XPATH = re.compile(r"xpath=|/|\(|\.\.|\./|\.$")  # as Playwright tells them apart, and `.`, the node itself
# XPath says that it knows no such function only when it comes by an element to ask it of.
_TRIED_ON = html.document_fromstring(
    "".join(
        f"<{tag} class='a' id='a'>a</{tag}>"
        for tag in ["a", "button", "div", "form", "h1", "h2", "h3", "li", "p", "span", "td", "th", "tr"]
    )
)
_PART = re.compile(r"::(?:text|attr\([^()]*\))")  # of an element, in CSS
_XPART = re.compile(r"//?(?:text\(\)|@[\w:-]+)\s*$")  # in XPath


class _Translator(TranslatorMixin, LxmlHTMLTranslator):
    """From CSS to XPath, as lxml does it for HTML, and as Scrapy does it for parts of elements."""


_TRANSLATOR = _Translator()
_UNSEEN, _CONCEALED = (
    etree.XPath(f"boolean({where})") for where in (UNSEEN, f"ancestor-or-self::*[{CONCEALED}]")
)


def _check_selector(selector: str) -> str:
    try:
        found = _compile(selector)(_TRIED_ON)
    except (SelectorError, etree.XPathError) as error:
        raise ValueError(f"is neither CSS nor XPath ({error}): {selector}") from None
    if not isinstance(found, list | str):
        raise ValueError(f"finds a {type(found).__name__}: it must find elements, attributes or texts")  # noqa: TRY004 -- pydantic takes ValueError
    return selector


Selector = Annotated[str, Field(min_length=1, max_length=1000), AfterValidator(_check_selector)]
Match = html.HtmlElement | str


def find_matches(node: html.HtmlElement, selector: str) -> list[Match]:
    """Return what a selector finds from a node on: elements (no script's fallback), attributes and texts as strings."""
    return [str(each) if isinstance(each, str) else each for each in _find_present(node, selector)]


def find_visible(node: html.HtmlElement, selector: str) -> list[html.HtmlElement]:
    """Return those elements a selector finds that the page does not hide; of an attribute or a text, its element."""
    bearers = (_bearer(each) if isinstance(each, str) else each for each in _find_present(node, selector))
    return [each for each in bearers if each is not None and not _is_concealed(each)]


def one_text(node: html.HtmlElement, selector: str) -> str | None:
    """Return the one text that a selector finds; None where it finds none, and where it finds several."""
    texts = {
        collapse_whitespace(each) if isinstance(each, str) else visible_text(each)
        for each in find_matches(node, selector)
    } - {""}
    return texts.pop() if len(texts) == 1 else None


def as_xpath(selector: str) -> str | None:
    """Return the XPath of a selector; None where it is CSS."""
    return selector.removeprefix("xpath=") if _XPATH.match(selector) else None


def element_selector(selector: str) -> str:
    """Return the selector of the elements whose attributes or texts a selector finds; of elements, itself."""
    return (_XPART if as_xpath(selector) else _PART).sub("", selector)


@lru_cache(maxsize=2048)
def _compile(selector: str) -> etree.XPath:
    if xpath := as_xpath(selector):
        return etree.XPath(xpath)
    return CSSSelector(selector.removeprefix("css="), translator=_TRANSLATOR)


def _find_present(node: html.HtmlElement, selector: str) -> list[Any]:
    matches = _compile(selector)(node)
    listed = [matches] if isinstance(matches, str) else matches
    return [each for each in listed if isinstance(each, str) or _is_there(each)]


def _is_there(node: html.HtmlElement) -> bool:
    return isinstance(node.tag, str) and not _UNSEEN(node)


def _is_concealed(node: html.HtmlElement) -> bool:
    return bool(_CONCEALED(node))


def _bearer(text: Any) -> html.HtmlElement | None:
    """Return the element that an attribute or a text belongs to; None of a text that the selector put together."""
    parent: html.HtmlElement | None = text.getparent()
    return parent.getparent() if parent is not None and text.is_tail else parent
