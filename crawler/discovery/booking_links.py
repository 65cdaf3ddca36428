"""Booking links: links of a prefecture's site that lead to a page where people book."""

from collections.abc import Collection
from typing import NamedTuple
from urllib.parse import urlsplit

from w3lib.url import canonicalize_url

from configs.ground.addresses import host_of
from configs.world.desk import Desk
from crawler.discovery.identify import by_address
from crawler.discovery.links import BOOKING, Link, resolve_on_site


class Booking(NamedTuple):
    """A link to a booking page."""

    url: str
    text: str


class Listed(NamedTuple):
    """What the desk files have: the keys of all desks' addresses, and their hosts."""

    keys: frozenset[str]
    hosts: frozenset[str]

    @classmethod
    def of(cls, every: Collection[Desk]) -> "Listed":
        """Return what all these desks have."""
        return cls(
            frozenset(simplify_address(desk.url) for desk in every),
            frozenset(_bare(desk.url) for desk in every),
        )


def find_booking(link: Link, page: str, listed: Listed) -> Booking | None:
    """Return the booking page that a link of a page of a prefecture's site leads to, None for any other link.

    A link leads to booking in one of these cases:

    * its address is a desk's;
    * a platform recognises its address;
    * it is on a host where desks are;
    * its text names booking and it leaves the site (within the site such a page is visited instead).
    """
    sign = by_address(link.url)
    elsewhere = resolve_on_site(link.url, page) is None
    leaves_to_book = elsewhere and (_bare(link.url) in listed.hosts or BOOKING.search(link.text))
    if sign or leaves_to_book or simplify_address(link.url) in listed.keys:
        return Booking(link.url, link.text)
    return None


def simplify_address(url: str) -> str:
    """Return a page's address without what may vary: scheme, `www.`, port 80 or 443, a wizard's step."""
    sign = by_address(url)
    parts = urlsplit(canonicalize_url(sign.url if sign and sign.url else url))
    return f"{_bare(url)}{parts.path.rstrip('/')}?{parts.query}"


def _bare(url: str) -> str:
    return host_of(url).removesuffix(":443").removesuffix(":80").removeprefix("www.")
