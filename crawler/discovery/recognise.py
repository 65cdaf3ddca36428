"""Which booking page an address is: what tells a desk's links from all others. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from w3lib.url import canonicalize_url

from configs.desk import Desk
from configs.hosts import host_of
from crawler.discovery.site_links import Link, at_home, says_booking
from crawler.platform_detection.identify import by_address


@dataclass(frozen=True, slots=True)
class Booking:
    """A link to where people book. `desk_id`: the desk that it is, None where no file has it."""

    url: str
    text: str
    platform: str | None
    desk_id: str | None = None


@dataclass(frozen=True, slots=True)
class Listed:
    """The desks of a prefecture by their addresses' keys, and the hosts on which any desk of the files books."""

    desks: dict[str, str] = field(default_factory=dict)
    hosts: frozenset[str] = frozenset()

    @classmethod
    def of(cls, own: Iterable[Desk], every: Iterable[Desk]) -> "Listed":
        """Return what is known at a prefecture with these desks of its own."""
        return cls({key(desk.url): desk.id for desk in own}, frozenset(_bare(desk.url) for desk in every))


def booking(link: Link, site: str, listed: Listed) -> Booking | None:
    """Say whether a link of a prefecture's site leads to booking; None where it is a page like any other.

    Known: its address is a desk's. New: a platform knows the shape of the address; it is on a host where desks are;
    or its words say so and it leaves the site (within the site such a page is walked, and shows where it leads).
    """
    sign, home = by_address(link.url), at_home(link.url, site)
    name = sign.platform if sign else None
    if desk_id := listed.desks.get(key(link.url)):
        return Booking(link.url, link.text, name, desk_id)
    elsewhere = home is None and (_bare(link.url) in listed.hosts or says_booking(link.text))
    return Booking(link.url, link.text, name) if name or elsewhere else None


def key(url: str) -> str:
    """Return what all ways of writing a page's address have in common (scheme, `www.`, a wizard's step aside)."""
    sign = by_address(url)
    parts = urlsplit(canonicalize_url(sign.url if sign and sign.url else url))
    return f"{_bare(url)}{parts.path.rstrip('/')}?{parts.query}"


def _bare(url: str) -> str:
    return host_of(url).removesuffix(":443").removesuffix(":80").removeprefix("www.")
