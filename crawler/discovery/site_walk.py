"""The walk of one prefecture's site: which page is next, best first, when the site is left alone, and what was seen.

Observations are kept in memory, and in Redis for the process that resumes the walk.
"""

import heapq
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from enum import StrEnum
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import urljoin

from pydantic import TypeAdapter, ValidationError

from configs.settings.constants import Constant
from configs.world.prefecture import Prefecture
from crawler.block_pages import detect_block_page
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

if TYPE_CHECKING:
    import redis

KEPT_SECONDS = 2 * 86400  # of a walk that nothing resumes


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
    home: str  # the site's own spelling of its address
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


@dataclass
class Observations:
    """The pages that a walk saw. Memory is what its end reads; the list in Redis outlives the process."""

    pages: list[PageSeen] = field(default_factory=list)
    client: "redis.Redis | None" = None  # None: a walk at the terminal
    key: str = ""  # prefix of the walk's keys

    def add(self, page: PageSeen) -> None:
        """Keep one more page.

        Raises:
            redis.RedisError: Redis is away.
        """
        self.pages.append(page)
        if self.client is None:
            return
        with self.client.pipeline() as pipe:
            pipe.rpush(f"{self.key}:facts", SEEN.dump_json(page))
            for name in ("facts", "requests", "seen"):  # scrapy-redis sets no expiry
                pipe.expire(f"{self.key}:{name}", KEPT_SECONDS)
            pipe.execute()

    def resume(self) -> list[PageSeen]:
        """Return what an earlier process of this walk saw, and take it over.

        A page that another release wrote otherwise is asked again.

        Raises:
            redis.RedisError: Redis is away.
        """
        if self.client:
            found: list[str] = self.client.lrange(f"{self.key}:facts", 0, -1)  # type: ignore[assignment]  # async and sync in one
            self.pages = []
            for each in found:
                with suppress(ValidationError):
                    self.pages.append(SEEN.validate_json(each))
        return self.pages

    def drop(self) -> None:
        """Remove all keys of the walk."""
        if self.client is not None:
            self.client.delete(*(f"{self.key}:{name}" for name in ("facts", "requests", "seen")))


# How many pages of one site a walk asks for
DISCOVERY_PAGES = Constant("DISCOVERY_PAGES", 100)
# Pause between two pages of one site
DISCOVERY_DELAY_SECONDS = Constant("DISCOVERY_DELAY_SECONDS", 10.0)

LONGEST_PAUSE = 60.0  # seconds, whatever a robots.txt asks for
ENOUGH = 5  # failed pages in a row
_DEPTH = 4  # links away from a site's home page
_MOST_OF_A_SHAPE = 30  # pages whose addresses differ in numbers only: a calendar, a list
_WAITING = 20  # times DISCOVERY_PAGES: most waiting pages of one site


@dataclass
class SiteWalk:
    """One site. It has at most one request under way, so that no site waits in another's line."""

    place: Prefecture
    left: bool = False  # it refused us, or failed ENOUGH times in a row
    under_way: str = ""  # address of the page that is asked now
    _cut: bool = False
    _was_asked: bool = False  # one of its pages was, which robots.txt, or its loss, may forbid of all
    _doubts: int = 0
    _known: set[str] = field(default_factory=set)  # addresses that wait or were asked
    _done: set[str] = field(default_factory=set)
    _shapes: Counter[str] = field(default_factory=Counter)
    _waiting: list[tuple[int, int, Onward]] = field(default_factory=list)  # a heap

    @property
    def is_cut(self) -> bool:
        """Whether the site was not walked to its end."""
        return self._cut or self.left or not self._was_asked or bool(self._waiting or self.under_way)

    def add(self, found: Iterable[Onward]) -> tuple[Onward, ...]:
        """Let pages wait for their turn; return those that are new and within the limits."""
        return tuple(page for page in found if self._admit(page))

    def record(self, page: PageSeen) -> PageSeen:
        """Take note of a page's result. Return it with those pages only that wait for their turn now."""
        self._done.add(page.url)
        self._known.add(page.url)
        if self.under_way == page.url:
            self.under_way = ""
        if page.asked:
            self._was_asked = True
            self._doubts = self._doubts + 1 if page.seen is ObservedPage.DOUBT else 0
        self.left = self.left or page.refused or self._doubts >= ENOUGH
        return replace(page, onward=() if self.left else self.add(page.onward))

    def take(self) -> Onward | None:
        """Return the best page that waits, None if one is under way or the site is walked or left alone."""
        if self.under_way:
            return None
        if self._waiting and (self.left or len(self._done) >= DISCOVERY_PAGES()):
            self._cut = True
            self._waiting.clear()
        while self._waiting:
            page = heapq.heappop(self._waiting)[-1]
            if page.url not in self._done:  # an earlier process of this walk asked it
                self.under_way = page.url
                return page
        return None

    def skip(self, url: str) -> None:
        """Take note that a page is another prefecture's, too, and was asked as that one's."""
        self._done.add(url)
        self.under_way = ""

    def _admit(self, page: Onward) -> bool:
        if page.url in self._known or page.steps > _DEPTH:
            return False
        if len(self._waiting) >= _WAITING * DISCOVERY_PAGES():
            self._cut = True
            return False
        self._known.add(page.url)
        form = shape(page.url)
        self._shapes[form] += 1
        if self._shapes[form] > _MOST_OF_A_SHAPE:
            return False
        order = -page.promise + 10 * page.steps
        heapq.heappush(self._waiting, (order, len(self._known), page))
        return True


def bounded_pause(asked: float) -> float:
    """Return the pause, in seconds, for a site whose robots.txt asks for one: at least ours, at most a minute."""
    return min(max(asked, DISCOVERY_DELAY_SECONDS()), LONGEST_PAUSE)


_REFUSALS = (Outcome.BLOCKED, Outcome.CAPTCHA, Outcome.RATE_LIMITED, Outcome.MAINTENANCE)


def observe(page: Page, place: Prefecture, home: str, listed: Listed) -> PageSeen:
    """Evaluate a page of a prefecture's site; `home` is the site's own spelling of its address."""
    doubt = PageSeen(place.id, page.url, ObservedPage.DOUBT)
    if page.status in MOVED and (location := page.headers.get("location")):
        return _follow_redirect(doubt, home, location, listed)
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
        here = at_home(link.url, home)
        if known := booking(link, home, listed):
            bookings.append(known)
        elif here and worth_walking(here):
            onward.append(Onward(here, promise(link), home))
    return replace(doubt, seen=ObservedPage.READ, bookings=tuple(bookings), onward=tuple(onward))


def _follow_redirect(doubt: PageSeen, home: str, location: str, listed: Listed) -> PageSeen:
    """Follow a redirect within the site. From the home page it may lead to the site's own spelling of its address."""
    try:
        target = urljoin(doubt.url, location.strip()).partition("#")[0]
        here = at_home(target, home)
    except ValueError:
        return replace(doubt, detail=f"leads to no address: {location[:100]!r}")
    moved = replace(doubt, seen=ObservedPage.MOVED, detail=f"leads to {target}")
    if here is None:
        found = booking(Link(target, ""), home, listed)
        return replace(moved, bookings=(found,) if found else ())
    if here == doubt.url != target:  # http to https, or with `www.`: the site's own spelling
        here = home = target
    elif not worth_walking(here):
        return moved
    return replace(moved, onward=(Onward(here, promise(Link(here, "")), home),))
