"""Selectors in desk files: CSS, or XPath by its first characters. A selector must compile.

CSS may end in Scrapy's `::text` or `::attr(name)`, for a part of an element.
"""

import re
from functools import lru_cache
from typing import Annotated, Any

from cssselect import SelectorError
from lxml import etree, html
from lxml.cssselect import CSSSelector, LxmlHTMLTranslator
from parsel.csstranslator import TranslatorMixin
from pydantic import AfterValidator, Field

from crawler.parsing.hidden_parts import CONCEALED, UNSEEN
from crawler.parsing.html_text import raw_lines, rendered_lines
from crawler.parsing.normal_form import collapse_whitespace

_XPATH = re.compile(r"xpath=|/|\(|\.\.|\./|\.$")  # Playwright's rule, and `.` for the node itself
# XPath reports an unknown function only when it evaluates it on an element.
_TRIED_ON = html.document_fromstring(
    "".join(
        f"<{tag} class='a' id='a'>a</{tag}>"
        for tag in ["a", "button", "div", "form", "h1", "h2", "h3", "li", "p", "span", "td", "th", "tr"]
    )
)
_PART = re.compile(r"::(?:text|attr\([^()]*\))")  # of an element, in CSS
_XPART = re.compile(r"//?(?:text\(\)|@[\w:-]+)\s*$")  # in XPath


class _Translator(TranslatorMixin, LxmlHTMLTranslator):
    """CSS to XPath: lxml's translation for HTML, with Scrapy's parts of elements."""


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
    """Return a selector's matches below a node: elements (none in `noscript`), attributes and texts as strings."""
    return [str(each) if isinstance(each, str) else each for each in _find_present(node, selector)]


def find_visible(node: html.HtmlElement, selector: str) -> list[html.HtmlElement]:
    """Return the visible elements that a selector matches; for an attribute or a text, its element."""
    bearers = (_bearer(each) if isinstance(each, str) else each for each in _find_present(node, selector))
    return [each for each in bearers if each is not None and not _CONCEALED(each)]


def one_text(node: html.HtmlElement, selector: str) -> str | None:
    """Return the only text that a selector matches, with a line for each block; None without one, or with several."""
    texts = {
        collapse_whitespace(each) if isinstance(each, str) else _read_lines(each)
        for each in find_matches(node, selector)
    } - {""}
    return texts.pop() if len(texts) == 1 else None


def _read_lines(node: html.HtmlElement) -> str:
    shown = rendered_lines(node)
    lines = (shown if shown.strip() else raw_lines(node)).split("\n")
    return "\n".join(filter(None, map(collapse_whitespace, lines)))


def as_xpath(selector: str) -> str | None:
    """Return the XPath of a selector; None for CSS."""
    return selector.removeprefix("xpath=") if _XPATH.match(selector) else None


def element_selector(selector: str) -> str:
    """Return a selector without its last part for a text or an attribute: it matches the elements."""
    return (_XPART if as_xpath(selector) else _PART).sub("", selector)


@lru_cache(maxsize=2048)
def _compile(selector: str) -> etree.XPath:
    if xpath := as_xpath(selector):
        return etree.XPath(xpath)
    return CSSSelector(selector.removeprefix("css="), translator=_TRANSLATOR)


def _find_present(node: html.HtmlElement, selector: str) -> list[Any]:
    matches = _compile(selector)(node)
    listed = [matches] if isinstance(matches, str) else matches
    return [
        each for each in listed if isinstance(each, str) or (isinstance(each.tag, str) and not _UNSEEN(each))
    ]


def _bearer(text: Any) -> html.HtmlElement | None:
    """Return the element of an attribute or a text; None for a text that the selector computed."""
    parent: html.HtmlElement | None = text.getparent()
    return parent.getparent() if parent is not None and text.is_tail else parent
