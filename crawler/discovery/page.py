"""Evaluation of one page of a prefecture's site: its observation, and the pages to request next. Pure."""

from collections.abc import Iterable
from http import HTTPStatus
from urllib.parse import urljoin

from configs.world.prefecture import Prefecture
from crawler.block_pages import detect_block_page
from crawler.discovery.observations import ObservedPage, Onward, PageSeen, PageStep
from crawler.discovery.site_links import (
    Booking,
    Link,
    Listed,
    at_home,
    booking,
    links,
    promise,
    worth_walking,
)
from crawler.reading import GONE, MOVED, Outcome, Page

_REFUSALS = (Outcome.BLOCKED, Outcome.CAPTCHA, Outcome.RATE_LIMITED, Outcome.MAINTENANCE)


def step(page: Page, place: Prefecture, home: str, listed: Listed) -> PageStep:
    """Evaluate a page of a prefecture's site; `home` is the site's own spelling of its address."""
    if page.status in MOVED and (location := page.headers.get("location")):
        return _follow_redirect(page, place, home, location, listed)
    if page.status in GONE:
        return PageStep(PageSeen(place.id, page.url, ObservedPage.GONE, f"HTTP {page.status}"))
    if found := detect_block_page(page):
        doubt = f"{found.outcome}: {found.reason}"
        return PageStep(
            PageSeen(place.id, page.url, ObservedPage.DOUBT, doubt), refused=found.outcome in _REFUSALS
        )
    if doubt := _doubt(page):
        return PageStep(PageSeen(place.id, page.url, ObservedPage.DOUBT, doubt))
    bookings, onward = _sort_links(links(page), home, listed)
    seen = PageSeen(place.id, page.url, ObservedPage.READ, "", tuple(bookings))
    return PageStep(seen, tuple(onward))


def _doubt(page: Page) -> str:
    """Return why a page proves nothing, empty if it counts."""
    if page.status != HTTPStatus.OK:
        return f"HTTP {page.status}"
    return "" if "html" in page.headers.get("content-type", "text/html").lower() else "no HTML"


def _follow_redirect(page: Page, place: Prefecture, home: str, location: str, listed: Listed) -> PageStep:
    """Follow a redirect within the site. From the home page it may lead to the site's own spelling of its address."""
    try:
        target = urljoin(page.url, location.strip()).partition("#")[0]
        here = at_home(target, home)
    except ValueError:
        return PageStep(
            PageSeen(place.id, page.url, ObservedPage.DOUBT, f"leads to no address: {location[:100]!r}")
        )
    seen = PageSeen(place.id, page.url, ObservedPage.MOVED, f"leads to {target}")
    if here is None:
        found = booking(Link(target, ""), home, listed)
        known = PageSeen(place.id, page.url, ObservedPage.MOVED, seen.detail, (found,)) if found else seen
        return PageStep(known)
    if here == page.url != target:  # http to https, or with `www.`: the site's own spelling
        return PageStep(seen, (Onward(target, promise(Link(target, "")), target),))
    return PageStep(seen, (Onward(here, promise(Link(here, "")), home),) if worth_walking(here) else ())


def _sort_links(found: Iterable[Link], home: str, listed: Listed) -> tuple[list[Booking], list[Onward]]:
    bookings, onward = [], []
    for link in found:
        here = at_home(link.url, home)
        if known := booking(link, home, listed):
            bookings.append(known)
        elif here and worth_walking(here):
            onward.append(Onward(here, promise(link), home))
    return bookings, onward
