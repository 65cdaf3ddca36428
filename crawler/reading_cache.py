"""The cache of readings: a page that is the same, byte for byte, as in the check before is not read again."""

from crawler.classification import HEADERS, classify_page
from crawler.platforms import Platform
from crawler.reading import Outcome, Page, Reading

_MOST_ADDRESSES = 20_000  # pages; about 1 kB each


class ReadingCache:
    """The last readings of one spider process, by desk and request: a page that has not changed is not read again.

    Reading is pure, so the same answer to the same request has the same reading, and most checks find the page of the
    check before. A page with slots is always read: it changes, and it is what everything else is for. Pages are kept
    as digests.
    """

    def __init__(self) -> None:
        self._readings: dict[tuple[object, ...], tuple[Platform, tuple[object, ...], Reading]] = {}

    def classify(self, platform: Platform, page: Page) -> Reading:
        """Return what `classify_page` returns."""
        ask, digest = page.ask, _digest(page)
        key = (page.visit.url, ask.url, ask.method, ask.step, ask.place.key, ask.window)
        known = self._readings.get(key)
        if known and known[0] is platform and known[1] == digest:
            return known[2]
        reading = classify_page(platform, page)
        if _is_repeatable(reading) and (known or len(self._readings) < _MOST_ADDRESSES):
            self._readings[key] = platform, digest, reading
        return reading


def _digest(page: Page) -> tuple[object, ...]:
    """Return all that a reading depends on, without what differs on each visit, and short."""
    # 64 bits, keyed by each process: two pages of one length have the same hash once in 10^19. BLAKE2 took a
    # sixteenth of a page's time. https://docs.python.org/3/reference/datamodel.html#object.__hash__
    body, headers = (hash(page.body), len(page.body)), [page.headers.get(name) for name in HEADERS]
    done = page.skipped_actions, page.failed_action
    return page.url, page.status, body, headers, page.ask, done, page.visit


def _is_repeatable(reading: Reading) -> bool:
    """Tell whether the visit's turn, which is not compared, has no part in a reading: it orders places and weeks."""
    if reading.outcome not in (None, Outcome.NO_SLOTS) or reading.slots or reading.fallback:
        return False
    several = len(reading.asks) > 1 or len(reading.covered) > 1
    return not several and all(ask.turn is None and ask.window is None for ask in reading.asks)
