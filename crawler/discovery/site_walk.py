"""The walk of one prefecture's site: which page is next, best first, and when the site is left alone."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from operator import attrgetter

from configs.settings import Constant
from configs.world.prefecture import Prefecture
from crawler.discovery.links import replace_numbers
from crawler.discovery.observations import ObservedPage, Onward, PageSeen, discovery_pages

LONGEST_PAUSE = 60.0  # seconds, whatever a robots.txt asks for
ENOUGH = 5  # failed pages in a row
_LAST = 1000  # of promise, below all others
_DEPTH = 4  # links away from a site's home page
_MOST_OF_A_SHAPE = 30  # pages whose addresses differ in numbers only (a calendar, a list), before others
# Pause between two pages of one site
discovery_delay_seconds = Constant("DISCOVERY_DELAY_SECONDS", 10.0)


@dataclass
class SiteWalk:
    """One site. It has at most one request under way, so that no site waits in another's line."""

    place: Prefecture
    pages: dict[str, PageSeen] = field(default_factory=dict)  # those seen, by address
    left: bool = False  # it refused us, rests, is not to be asked, or failed ENOUGH times in a row
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
            form = replace_numbers(url)
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
        self.left = self.left or page.refusal is not None or self._doubts >= ENOUGH
        return replace(page, onward=self.add(page.onward))

    def take(self) -> Onward | None:
        """Return the best page that waits; None if the site is walked or left alone."""
        if self.left or not self._waiting or len(self.pages) >= discovery_pages():
            return None
        best = max(self._waiting.values(), key=attrgetter("promise"))
        self._under_way = best.url
        return self._waiting.pop(best.url)


def bounded_pause(asked: float) -> float:
    """Return the pause, in seconds, for a site whose robots.txt asks for one: at least ours, at most a minute."""
    return min(max(asked, discovery_delay_seconds()), LONGEST_PAUSE)
