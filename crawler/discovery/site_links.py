"""What a page of a prefecture's site links: where booking goes on, what is worth a visit, what is a trap. Pure."""

import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import parse_qsl, urljoin, urlsplit

from w3lib.url import canonicalize_url

from crawler.parsing.html_text import normalize
from crawler.platform_detection.booking_links import BOOKING, FILE, base, link_text
from crawler.reading import Page

_MOST = 400  # links taken of one page
_LONGEST = 300  # characters of an address that is followed
_DEEPEST = 12  # segments of its path
_HREFS = "//*[(self::a or self::area) and @href or self::iframe and @src]"
_NEAR = re.compile(
    r"etranger|sejour|natural|nationalite|titre|passeport|identite|permis|carte[- ]grise|immatricul|demarche|accueil"
    r"|guichet|horaire|prefecture|usager"
)
# Calendars, searches, prints, shares and log-ins go on for ever or lead nowhere.
_ENDLESS = re.compile(
    r"(?i)calend(?:rier|ar)|agenda|/(?:19|20)\d\d[/-](?:0?\d|1[0-2])(?:[/-]|$)|recherch|search|imprim|print|partag|share"
    r"|connexion|login|logout|/feed\b|\bical\b"
)
_MOST_PARAMETERS = 2


@dataclass(frozen=True, slots=True)
class Link:
    """A link as its page shows it: where it leads (absolute, no fragment) and its words."""

    url: str
    text: str


def links(page: Page) -> Iterator[Link]:
    """Yield a page's links in its order, each address once; what is no web address is left out."""
    start, seen = base(page), set()
    for node in page.root.xpath(_HREFS)[:_MOST]:
        with suppress(ValueError):  # http://[ and the like
            url = urljoin(start, (node.get("href") or node.get("src")).strip()).partition("#")[0]
            parts = urlsplit(url)
            if parts.scheme in ("http", "https") and parts.hostname and url not in seen:
                seen.add(url)
                yield Link(url, link_text(node))


def says_booking(text: str) -> bool:
    """Tell whether words promise that one books there."""
    return BOOKING.search(text) is not None


def at_home(url: str, home: str) -> str | None:
    """Return an address of a site as the site writes its own (scheme, host, port); None where it is another site's.

    Raises:
        ValueError: it is no address.
    """
    here, own = urlsplit(url), urlsplit(home)
    written = {here.port, own.port} - {None, 80, 443}
    same = (here.hostname or "").removeprefix("www.") == (own.hostname or "").removeprefix("www.")
    if here.scheme not in ("http", "https") or not same or (written and here.port != own.port):
        return None
    return str(canonicalize_url(here._replace(scheme=own.scheme, netloc=own.netloc).geturl()))


def worth_walking(url: str) -> bool:
    """Tell whether a page of the site may be HTML that leads on: no file, no trap."""
    parts = urlsplit(url)
    segments = [each for each in parts.path.split("/") if each]
    looped = any(segments.count(each) > 2 for each in set(segments))  # noqa: PLR2004 -- /a/b/a/b/a
    return not (
        len(url) > _LONGEST
        or len(segments) > _DEEPEST
        or looped
        or FILE.search(parts.path)
        or _ENDLESS.search(f"{parts.path}?{parts.query}")
        or len(parse_qsl(parts.query, keep_blank_values=True)) > _MOST_PARAMETERS
    )


def shape(url: str) -> str:
    """Return what pages that a machine numbers have in common: `/actualites/#`, `/liste?page=#`."""
    parts = urlsplit(url)
    keys = ",".join(sorted(key for key, _ in parse_qsl(parts.query, keep_blank_values=True)))
    return re.sub(r"\d+", "#", parts.path) + (f"?{keys}" if keys else "")


def promise(link: Link) -> int:
    """Return how soon a page is asked, the higher the sooner: where booking is spoken of first."""
    words = f"{link.text} {urlsplit(link.url).path}"
    return 100 * bool(BOOKING.search(words)) + 50 * bool(_NEAR.search(normalize(words)))
