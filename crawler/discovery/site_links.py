"""Links of a page of a prefecture's site: booking pages, pages worth a visit, and traps. Pure."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, urlsplit

from w3lib.url import canonicalize_url

from configs.ground.hosts import host_of
from configs.world.desk import Desk
from crawler.discovery.booking_links import BOOKING, FILE, Link
from crawler.discovery.identify import by_address
from crawler.parsing.html_text import normalize

_LONGEST = 300  # characters of an address that is followed
_DEEPEST = 12  # segments of its path
_NEAR = re.compile(
    r"etranger|sejour|natural|nationalite|titre|passeport|identite|permis|carte[- ]grise|immatricul|demarche|accueil"
    r"|guichet|horaire|prefecture|usager"
)
# Calendars, searches, prints, shares and log-ins are endless or lead nowhere.
_ENDLESS = re.compile(
    r"(?i)calend(?:rier|ar)|agenda|/(?:19|20)\d\d[/-](?:0?\d|1[0-2])(?:[/-]|$)|recherch|search|imprim|print|partag|share"
    r"|connexion|login|logout|/feed\b|\bical\b"
)
_MOST_PARAMETERS = 2


def at_home(url: str, home: str) -> str | None:
    """Return an address of a site in the site's own spelling (scheme, host, port); None for another site's address.

    Raises:
        ValueError: the text is no address.
    """
    here, own = urlsplit(url), urlsplit(home)
    written = {here.port, own.port} - {None, 80, 443}
    same = (here.hostname or "").removeprefix("www.") == (own.hostname or "").removeprefix("www.")
    if here.scheme not in ("http", "https") or not same or (written and here.port != own.port):
        return None
    return str(canonicalize_url(here._replace(scheme=own.scheme, netloc=own.netloc).geturl()))


def worth_walking(url: str) -> bool:
    """Tell whether an address may be an HTML page with links: no file, no trap."""
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
    """Return the common form of numbered pages: `/actualites/#`, `/liste?page`."""
    parts = urlsplit(url)
    keys = ",".join(sorted(key for key, _ in parse_qsl(parts.query, keep_blank_values=True)))
    return re.sub(r"\d+", "#", parts.path) + (f"?{keys}" if keys else "")


def promise(link: Link) -> int:
    """Return the priority of a link (higher is asked sooner): links about booking first."""
    words = f"{link.text} {urlsplit(link.url).path}"
    return 100 * bool(BOOKING.search(words)) + 50 * bool(_NEAR.search(normalize(words)))


@dataclass(frozen=True, slots=True)
class Booking:
    """A link to a booking page. `desk_id`: its desk, None if no desk file has it."""

    url: str
    text: str
    platform: str | None
    desk_id: str | None = None


@dataclass(frozen=True, slots=True)
class Listed:
    """The desks of a prefecture by the keys of their addresses, and the hosts of all desks."""

    desks: dict[str, str] = field(default_factory=dict)
    hosts: frozenset[str] = frozenset()

    @classmethod
    def of(cls, own: Iterable[Desk], every: Iterable[Desk]) -> "Listed":
        """Return the listed desks of a prefecture (`own`) and the hosts of all desks (`every`)."""
        return cls({key(desk.url): desk.id for desk in own}, frozenset(_bare(desk.url) for desk in every))


def booking(link: Link, site: str, listed: Listed) -> Booking | None:
    """Return the booking page that a link of a prefecture's site leads to, None for any other link.

    A link leads to booking in one of these cases:

    * its address is a desk's;
    * a platform recognises its address;
    * it is on a host where desks are;
    * its text names booking and it leaves the site (within the site such a page is visited instead).
    """
    sign, home = by_address(link.url), at_home(link.url, site)
    name = sign.platform if sign else None
    if desk_id := listed.desks.get(key(link.url)):
        return Booking(link.url, link.text, name, desk_id)
    elsewhere = home is None and (_bare(link.url) in listed.hosts or BOOKING.search(link.text))
    return Booking(link.url, link.text, name) if name or elsewhere else None


def key(url: str) -> str:
    """Return a page's address without what may vary: scheme, `www.`, port 80 or 443, a wizard's step."""
    sign = by_address(url)
    parts = urlsplit(canonicalize_url(sign.url if sign and sign.url else url))
    return f"{_bare(url)}{parts.path.rstrip('/')}?{parts.query}"


def _bare(url: str) -> str:
    return host_of(url).removesuffix(":443").removesuffix(":80").removeprefix("www.")
