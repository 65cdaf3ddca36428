"""Links of a page, with the words that name them."""

import re
from typing import NamedTuple

from lxml import html

from crawler.discovery.draft import trim_label
from crawler.discovery.identify import is_web
from crawler.parsing.html_text import visible_text
from crawler.reading import Page

BOOKING = re.compile(r"(?i)rendez-?[\s_-]?vous|\brdv\b|r[ée]serv(?:er|ation)|\bcr[ée]neaux?\b|booking")
_NAMELESS = re.compile(
    r"(?i)^(?:(?:cliquez )?ici|en savoir plus|lien|acc[ée]der.{0,20}"
    r"|(?:je )?prend(?:re|s) (?:un )?(?:rendez-?vous|rdv))\W*$"
)
_REFRESH = re.compile(r"(?i)url\s*=\s*['\"]?([^'\"\s]+)")
_MOST, _WORDED = 5000, 500  # links of a page that are examined, and whose words are
_POINTERS = (  # no union of three searches, whose nodes would be compared with each other
    "//*[(self::a or self::area) and @href or (self::iframe or self::frame) and (@src or @data-src)"
    " or self::meta and translate(@http-equiv, 'REFSH', 'refsh')='refresh' and @content]"
)


class Link(NamedTuple):
    """A link of a page, or its frame or refresh: its absolute address without a fragment, and its text."""

    url: str
    text: str


def find_links(page: Page) -> list[Link]:
    """Return a page's web links in its order, each address once: with the first words that a link to it has."""
    found: dict[str, Link] = {}
    for number, node in enumerate(page.root.xpath(_POINTERS)[:_MOST]):
        sent_on = _REFRESH.search(node.get("content", ""))
        href = node.get("href") or node.get("src") or node.get("data-src") or (sent_on and sent_on[1])
        url = (page.link(href) or "").partition("#")[0] if href else ""
        if is_web(url) and (url not in found or not found[url].text):
            has_words = "href" in node.attrib and number < _WORDED
            found[url] = Link(url, link_text(node) if has_words else "")
    return list(found.values())


def link_text(link: html.HtmlElement) -> str:
    """Return a link's text; for `ici` and the like, the text around it or its heading."""
    own = str(link.get("aria-label") or link.get("title") or link.xpath("string(.//img/@alt)"))
    text = visible_text(link) or own
    if text and not _NAMELESS.match(text):
        return trim_label(text)
    around = link.xpath("string((ancestor::*[self::li or self::tr or self::p or self::dd][1]))")
    heading = link.xpath("string(preceding::*[self::h1 or self::h2 or self::h3 or self::h4][1])")
    texts = (trim_label(str(each)) for each in (around, heading, text))
    return next((each for each in texts if each and each != text), trim_label(text))
