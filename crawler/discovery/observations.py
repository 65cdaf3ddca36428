"""Observations of a walk: how a page of a prefecture's site answered, its booking links, the pages that it leads to."""

from dataclasses import dataclass, replace
from enum import StrEnum
from heapq import nlargest
from http import HTTPStatus
from operator import attrgetter
from urllib.parse import urljoin, urlsplit

from pydantic import TypeAdapter

from configs.settings import Constant
from crawler.block_pages import detect_block_page
from crawler.discovery.booking_links import Booking, Listed, find_booking
from crawler.discovery.links import Link, find_links, rate_link, resolve_on_site, worth_walking
from crawler.reading import GONE, MOVED, Outcome, Page

# How many pages of one site a walk asks for
discovery_pages = Constant("DISCOVERY_PAGES", 100)
_REFUSED = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)  # of a home page: of the whole site
_REFUSALS = (Outcome.BLOCKED, Outcome.CAPTCHA, Outcome.RATE_LIMITED, Outcome.MAINTENANCE)


class ObservedPage(StrEnum):
    """How a page answered."""

    READ = "read"  # a page of HTML, read to its end
    GONE = "gone"  # 404 or 410
    MOVED = "moved"  # it leads elsewhere: `detail` says where
    DOUBT = "doubt"  # anything else, which proves nothing: a time-out, a refusal, robots.txt, no HTML, a wall


@dataclass(frozen=True, slots=True)
class Onward:
    """A page to request next."""

    url: str
    promise: int  # higher is requested sooner
    steps: int = 0  # links away from the site's home page


@dataclass(frozen=True, slots=True)
class PageSeen:
    """A page of a prefecture's own site."""

    prefecture_id: str
    url: str
    seen: ObservedPage
    detail: str = ""
    bookings: tuple[Booking, ...] = ()  # its links to booking pages
    onward: tuple[Onward, ...] = ()  # the pages that it leads to
    refusal: Outcome | None = None  # the whole site refuses us, not this page only
    retry_after: float | None = None  # seconds in which it wants us back
    asked: bool = True  # False where robots.txt forbade it, or did not come


SEEN = TypeAdapter(PageSeen)  # its text in Redis


def observe(page: Page, prefecture_id: str, steps: int, listed: Listed) -> PageSeen:
    """Evaluate a page of a prefecture's site that is `steps` links away from its home page.

    It leads on to its DISCOVERY_PAGES best links at most: a walk asks for no more.
    """
    doubt = PageSeen(prefecture_id, page.url, ObservedPage.DOUBT)
    if page.status in MOVED and (location := page.headers.get("location")):
        return _follow_redirect(doubt, location, steps, listed)
    if page.status in GONE:
        return replace(doubt, seen=ObservedPage.GONE, detail=f"HTTP {page.status}")
    if found := detect_block_page(page):
        refusal = found.outcome if found.outcome in _REFUSALS else None
        detail = f"{found.outcome}: {found.reason}"
        return replace(doubt, detail=detail, refusal=refusal, retry_after=found.retry_after)
    if page.status != HTTPStatus.OK:
        is_home = urlsplit(page.url).path in ("", "/")
        refusal = Outcome.BLOCKED if is_home and page.status in _REFUSED else None
        return replace(doubt, detail=f"HTTP {page.status}", refusal=refusal)
    if "html" not in page.headers.get("content-type", "text/html").lower():
        return replace(doubt, detail="no HTML")
    bookings, onward = [], []
    for link in find_links(page):
        if known := find_booking(link, page.url, listed):
            bookings.append(known)
        elif (here := resolve_on_site(link.url, page.url)) and worth_walking(here):
            onward.append(_lead(here, link.text, steps))
    # Of two links the better one
    pages = {lead.url: lead for lead in sorted(onward, key=attrgetter("promise"))}
    best = nlargest(discovery_pages(), pages.values(), key=attrgetter("promise"))
    return replace(doubt, seen=ObservedPage.READ, bookings=tuple(bookings), onward=tuple(best))


def _lead(url: str, text: str, steps: int) -> Onward:
    """Return the page that a link leads to from a page so many steps away: each step counts against it."""
    return Onward(url, rate_link(Link(url, text)) - 10 * (steps + 1), steps + 1)


def _follow_redirect(doubt: PageSeen, location: str, steps: int, listed: Listed) -> PageSeen:
    """Follow a redirect within the site; from an address to itself it says how the site spells it: https, `www.`."""
    try:
        target = urljoin(doubt.url, location.strip()).partition("#")[0]
        here = resolve_on_site(target, doubt.url)
        if here == doubt.url:  # http to https, or with `www.`: the site's own spelling
            here = resolve_on_site(target, target)
    except ValueError:
        return replace(doubt, detail=f"leads to no address: {location[:100]!r}")
    moved = replace(doubt, seen=ObservedPage.MOVED, detail=f"leads to {target}")
    if found := find_booking(Link(target, ""), doubt.url, listed):
        return replace(moved, bookings=(found,))
    return replace(moved, onward=(_lead(here, "", steps),) if here and worth_walking(here) else ())
