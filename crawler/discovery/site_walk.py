"""The walk of one prefecture's site: which page is next, best first, when the site is left alone, and what was seen."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from enum import StrEnum
from heapq import nlargest
from http import HTTPStatus
from operator import attrgetter
from urllib.parse import urljoin

from pydantic import TypeAdapter

from configs.settings import Constant
from configs.world.prefecture import Prefecture
from crawler.classification import detect_block_page
from crawler.discovery.links import (
    Booking,
    Link,
    Listed,
    at_home,
    booking,
    find_links,
    promise,
    shape,
    worth_walking,
)  # fmt: skip
from crawler.reading import GONE, MOVED, Outcome, Page


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
    refused: bool = False  # the whole site refuses us, not this page only
    asked: bool = True  # False where robots.txt forbade it, or did not come


SEEN = TypeAdapter(PageSeen)  # its text in Redis

# How many pages of one site a walk asks for
DISCOVERY_PAGES = Constant("DISCOVERY_PAGES", 100)
# Pause between two pages of one site
DISCOVERY_DELAY_SECONDS = Constant("DISCOVERY_DELAY_SECONDS", 10.0)

LONGEST_PAUSE = 60.0  # seconds, whatever a robots.txt asks for
ENOUGH = 5  # failed pages in a row
_LAST = 1000  # of promise, below all others
_DEPTH = 4  # links away from a site's home page
_MOST_OF_A_SHAPE = 30  # pages whose addresses differ in numbers only (a calendar, a list), before others


@dataclass
class SiteWalk:
    """One site. It has at most one request under way, so that no site waits in another's line."""

    place: Prefecture
    pages: dict[str, PageSeen] = field(default_factory=dict)  # those seen, by address
    left: bool = False  # it refused us, or failed ENOUGH times in a row
    _under_way: str = ""  # address of the page that is asked now
    _waiting: dict[str, Onward] = field(default_factory=dict)  # by address
    _doubts: int = 0
    _shapes: Counter[str] = field(default_factory=Counter)

    @property
    def is_cut(self) -> bool:
        """Whether the site was not walked to its end."""
        never_asked = not any(page.asked for page in self.pages.values())
        return bool(self.left or self._waiting or self._under_way or never_asked)

    def add(self, found: Iterable[Onward]) -> tuple[Onward, ...]:
        """Let pages wait for their turn; return those that are new and not too far from home."""
        known = {*self.pages, *self._waiting, self._under_way}
        new = {page.url: page for page in found if page.url not in known and page.steps <= _DEPTH}
        for url, page in new.items():
            form = shape(url)
            self._shapes[form] += 1
            last = self._shapes[form] > _MOST_OF_A_SHAPE
            self._waiting[url] = replace(page, promise=page.promise - _LAST) if last else page
        return tuple(new.values())

    def record(self, page: PageSeen) -> PageSeen:
        """Take note of a page's result. Return it with those pages only that wait for their turn now."""
        self.pages[page.url] = page
        self._waiting.pop(page.url, None)  # an earlier process of this walk asked it
        self._under_way = ""
        if page.asked:
            self._doubts = self._doubts + 1 if page.seen is ObservedPage.DOUBT else 0
        self.left = self.left or page.refused or self._doubts >= ENOUGH
        return replace(page, onward=self.add(page.onward))

    def take(self) -> Onward | None:
        """Return the best page that waits; None if the site is walked or left alone."""
        if self.left or not self._waiting or len(self.pages) >= DISCOVERY_PAGES():
            return None
        best = max(self._waiting.values(), key=attrgetter("promise"))
        self._under_way = best.url
        return self._waiting.pop(best.url)


def bounded_pause(asked: float) -> float:
    """Return the pause, in seconds, for a site whose robots.txt asks for one: at least ours, at most a minute."""
    return min(max(asked, DISCOVERY_DELAY_SECONDS()), LONGEST_PAUSE)


_REFUSALS = (Outcome.BLOCKED, Outcome.CAPTCHA, Outcome.RATE_LIMITED, Outcome.MAINTENANCE)


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
        refused = found.outcome in _REFUSALS
        return replace(doubt, detail=f"{found.outcome}: {found.reason}", refused=refused)
    if page.status != HTTPStatus.OK:
        return replace(doubt, detail=f"HTTP {page.status}")
    if "html" not in page.headers.get("content-type", "text/html").lower():
        return replace(doubt, detail="no HTML")
    bookings, onward = [], []
    for link in find_links(page):
        if known := booking(link, page.url, listed):
            bookings.append(known)
        elif (here := at_home(link.url, page.url)) and worth_walking(here):
            onward.append(_lead(here, link.text, steps))
    # Of two links the better one
    pages = {lead.url: lead for lead in sorted(onward, key=attrgetter("promise"))}
    best = nlargest(DISCOVERY_PAGES(), pages.values(), key=attrgetter("promise"))
    return replace(doubt, seen=ObservedPage.READ, bookings=tuple(bookings), onward=tuple(best))


def _lead(url: str, text: str, steps: int) -> Onward:
    """Return the page that a link leads to from a page so many steps away: each step counts against it."""
    return Onward(url, promise(Link(url, text)) - 10 * (steps + 1), steps + 1)


def _follow_redirect(doubt: PageSeen, location: str, steps: int, listed: Listed) -> PageSeen:
    """Follow a redirect within the site; from an address to itself it says how the site spells it: https, `www.`."""
    try:
        target = urljoin(doubt.url, location.strip()).partition("#")[0]
        here = at_home(target, doubt.url)
        if here == doubt.url:  # http to https, or with `www.`: the site's own spelling
            here = at_home(target, target)
    except ValueError:
        return replace(doubt, detail=f"leads to no address: {location[:100]!r}")
    moved = replace(doubt, seen=ObservedPage.MOVED, detail=f"leads to {target}")
    if found := booking(Link(target, ""), doubt.url, listed):
        return replace(moved, bookings=(found,))
    return replace(moved, onward=(_lead(here, "", steps),) if here and worth_walking(here) else ())
