"""Links of a page, and those of them that may lead to booking: frames, addresses of known platforms, words."""

import re
from operator import itemgetter
from typing import NamedTuple
from urllib.parse import urlsplit

from lxml import html

from configs.world.desk import Procedure
from crawler.discovery.draft import procedures, trim_label
from crawler.discovery.identify import by_address, is_web
from crawler.parsing.html_text import visible_text
from crawler.reading import Page
from crawler.url_policy import same_site

BOOKING = re.compile(r"(?i)rendez-?[\s_-]?vous|\brdv\b|r[ée]serv(?:er|ation)|\bcr[ée]neaux?\b|booking")
_AWAY = re.compile(
    r"(?i)annul|modifier|g[ée]rer (?:mes|mon)|confirm|mentions|twitter|facebook|linkedin|instagram"
)
FILE = re.compile(
    r"(?i)\.(?:pdf|docx?|xlsx?|pptx?|od[tsp]|csv|zip|rar|7z|gz|jpe?g|png|gif|svg|webp|ico|mp[34]|avi|mov|webm|ics|rss|xml"
    r"|json|js|css|woff2?|epub|kml|shp)$"
)
_NAMELESS = re.compile(
    r"(?i)^(?:(?:cliquez )?ici|en savoir plus|lien|acc[ée]der.{0,20}"
    r"|(?:je )?prend(?:re|s) (?:un )?(?:rendez-?vous|rdv))\W*$"
)
_REFRESH = re.compile(r"(?i)url\s*=\s*['\"]?([^'\"\s]+)")
_UNLIKELY = 5
_MOST = 500  # links of a page that are examined
_POINTERS = (  # no union of three searches, whose nodes would be compared with each other
    "//*[(self::a or self::area) and @href or (self::iframe or self::frame) and (@src or @data-src)"
    " or self::meta and translate(@http-equiv, 'REFSH', 'refsh')='refresh' and @content]"
)


class Link(NamedTuple):
    """A link of a page: its absolute address without a fragment, and its text.

    `leads_on`: it is a frame, or `<meta http-equiv="refresh" content="0; url=…">`, which no person follows.
    """

    url: str
    text: str
    leads_on: bool = False


def find_links(page: Page) -> list[Link]:
    """Return a page's web links in its order, each address once: with the first words that a link to it has."""
    found: dict[str, Link] = {}
    for node in page.root.xpath(_POINTERS)[:_MOST]:
        sent_on = _REFRESH.search(node.get("content", ""))
        href = node.get("href") or node.get("src") or node.get("data-src") or (sent_on and sent_on[1])
        url = resolve_address(page, href) if href else None
        if url and (url not in found or not found[url].text):
            is_link = "href" in node.attrib
            found[url] = Link(url, link_text(node) if is_link else "", leads_on=not is_link)
    return list(found.values())


def find_leads(page: Page) -> list[Link]:
    """Return the links of a page that may lead to booking, the surest first."""
    ranked = ((_rank(page, link), link) for link in find_links(page) if link.url != page.url)
    return [link for rank, link in sorted(ranked, key=itemgetter(0)) if rank < _UNLIKELY]


def _rank(page: Page, link: Link) -> int:
    """Return how sure a link leads to booking; lower is surer."""
    path, near = urlsplit(link.url).path, same_site(page.url, link.url)
    other = _AWAY.search(f"{link.text} {link.url}") or FILE.search(path)
    signs = (
        link.leads_on,
        by_address(link.url),
        not other and BOOKING.search(link.text),
        not other and near and BOOKING.search(path),
        not other and near and procedures(link.text) != {Procedure.AUTRE},
    )
    return next((rank for rank, sign in enumerate(signs) if sign), _UNLIKELY)


def link_text(link: html.HtmlElement) -> str:
    """Return a link's text; for `ici` and the like, the text around it or its heading."""
    own = str(link.get("aria-label") or link.get("title") or link.xpath("string(.//img/@alt)"))
    text = visible_text(link) or own
    if text and not _NAMELESS.match(text):
        return trim_label(text)
    around = link.xpath("string((ancestor::*[self::li or self::tr or self::p or self::dd][1]))")
    heading = link.xpath("string((preceding::*[self::h1 or self::h2 or self::h3 or self::h4])[last()])")
    texts = (trim_label(str(each)) for each in (around, heading, text))
    return next((each for each in texts if each and each != text), trim_label(text))


def resolve_address(page: Page, href: str) -> str | None:
    """Return the absolute web address of a link without its fragment; None if it is none."""
    url = (page.link(href) or "").partition("#")[0]
    return url if is_web(url) else None
