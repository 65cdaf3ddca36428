"""Links of a page, with the words that name them; which are worth a request, and which come first."""

import re
from typing import NamedTuple
from urllib.parse import parse_qsl, urlsplit

from lxml import html
from w3lib.url import canonicalize_url

from crawler.discovery.draft import trim_label
from crawler.discovery.identify import is_web
from crawler.parsing.html_text import visible_text
from crawler.parsing.normal_form import normalize
from crawler.reading import Page

FILE = re.compile(
    r"(?i)\.(?:pdf|docx?|xlsx?|pptx?|od[tsp]|csv|zip|rar|7z|gz|jpe?g|png|gif|svg|webp|ico|mp[34]|avi|mov|webm|ics|rss|xml"
    r"|json|js|css|woff2?|epub|kml|shp)$"
)
_LONGEST = 300  # characters of an address that is followed
_NEAR = re.compile(
    r"etranger|sejour|natural|nationalite|titre|passeport|identite|permis|carte[- ]grise|immatricul|demarche|accueil"
    r"|guichet|horaire|prefecture|usager"
)
# Calendars, searches, prints, shares and log-ins are endless or lead nowhere.
_ENDLESS = re.compile(
    r"(?i)calend(?:rier|ar)|agenda|/(?:19|20)\d\d[/-](?:0?\d|1[0-2])(?:[/-]|$)|recherch|search|imprim|print|partag|share"
    r"|connexion|login|logout|/feed\b|\bical\b"
)
_MOST_PARAMETERS = 2  # in its query
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


def resolve_on_site(url: str, page: str) -> str | None:
    """Return an address of a page's own site in the page's spelling (scheme, host, port); None for another site's.

    Raises:
        ValueError: the text is no address.
    """
    here, own = urlsplit(url), urlsplit(page)
    written = {here.port, own.port} - {None, 80, 443}
    same = (here.hostname or "").removeprefix("www.") == (own.hostname or "").removeprefix("www.")
    if here.scheme not in ("http", "https") or not same or (written and here.port != own.port):
        return None
    return str(canonicalize_url(here._replace(scheme=own.scheme, netloc=own.netloc).geturl()))


def worth_walking(url: str) -> bool:
    """Tell whether an address may be an HTML page with links: no file, no trap."""
    parts = urlsplit(url)
    parameters = len(parse_qsl(parts.query, keep_blank_values=True))
    trap = FILE.search(parts.path) or _ENDLESS.search(f"{parts.path}?{parts.query}")
    return not trap and len(url) <= _LONGEST and parameters <= _MOST_PARAMETERS


def replace_numbers(url: str) -> str:
    """Return the common form of numbered pages: `/actualites/#`, `/liste?page`."""
    parts = urlsplit(url)
    keys = ",".join(sorted(key for key, _ in parse_qsl(parts.query, keep_blank_values=True)))
    return re.sub(r"\d+", "#", parts.path) + (f"?{keys}" if keys else "")


class Link(NamedTuple):
    """A link of a page, or its frame or refresh: its absolute address without a fragment, and its text."""

    url: str
    text: str


def rate_link(link: Link) -> int:
    """Return the priority of a link (higher is asked sooner): links about booking first."""
    words = f"{link.text} {urlsplit(link.url).path}"
    return 100 * bool(BOOKING.search(words)) + 50 * bool(_NEAR.search(normalize(words)))


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
