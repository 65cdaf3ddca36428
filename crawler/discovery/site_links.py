"""Links within a prefecture's site: pages worth a visit, best first, and traps."""

import re
from urllib.parse import parse_qsl, urlsplit

from w3lib.url import canonicalize_url

from crawler.discovery.links import BOOKING, Link
from crawler.parsing.normal_form import normalize

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


def rate_link(link: Link) -> int:
    """Return the priority of a link (higher is asked sooner): links about booking first."""
    words = f"{link.text} {urlsplit(link.url).path}"
    return 100 * bool(BOOKING.search(words)) + 50 * bool(_NEAR.search(normalize(words)))
