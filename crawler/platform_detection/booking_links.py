"""Leads of a page to possible booking pages: frames, addresses of known platforms, links about booking."""

import re
from collections.abc import Iterator
from typing import NamedTuple
from urllib.parse import urlsplit

from lxml import html

from configs.world.desk import Procedure
from crawler.parsing.html_text import visible_text
from crawler.platform_detection.draft import procedures, trim_label
from crawler.platform_detection.identify import by_address, is_web
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
_MOST = 500  # links of a page that are examined


class Lead(NamedTuple):
    """One address that may be a booking page."""

    rank: int  # lower is surer
    url: str
    text: str  # the link's text


_FRAMES = "//*[self::iframe or self::frame]/@*[name()='src' or name()='data-src' and parent::iframe]"


def find_leads(page: Page) -> list[Lead]:
    """Return the possible booking pages of a page, the surest first, each address once."""
    found: dict[str, Lead] = {}
    for lead in [*_find_frames(page), *_find_refreshes(page), *_find_links(page)]:
        known = found.get(lead.url)
        if known is None or lead.rank < known.rank:
            found[lead.url] = lead
    return sorted(found.values(), key=lambda lead: lead.rank)


def _find_frames(page: Page) -> Iterator[Lead]:
    for source in page.root.xpath(_FRAMES):
        if url := resolve_address(page, str(source)):
            yield Lead(0, url, "")


def _find_refreshes(page: Page) -> Iterator[Lead]:
    """Yield the target of `<meta http-equiv="refresh" content="0; url=…">`."""
    for said_so in page.root.xpath("//meta[translate(@http-equiv, 'REFSH', 'refsh')='refresh']/@content"):
        if (
            (found := _REFRESH.search(str(said_so)))
            and (url := resolve_address(page, found[1]))
            and url != page.url
        ):
            yield Lead(0, url, "")


def _find_links(page: Page) -> Iterator[Lead]:
    for link in page.root.xpath("//*[self::a or self::area][@href]")[:_MOST]:
        url, text = resolve_address(page, str(link.get("href"))), link_text(link)
        if not url or url == page.url:
            continue
        if by_address(url):
            yield Lead(1, url, text)
        elif not (_AWAY.search(f"{text} {url}") or FILE.search(urlsplit(url).path)):
            if BOOKING.search(text):
                yield Lead(2, url, text)
            elif same_site(page.url, url) and BOOKING.search(urlsplit(url).path):
                yield Lead(3, url, text)
            elif same_site(page.url, url) and procedures(text) != {Procedure.AUTRE}:
                yield Lead(4, url, text)


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
