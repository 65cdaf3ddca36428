"""The walk's queue in Redis: scrapy-redis's, but for whose turn it is and for what was popped and not done.

scrapy-redis's own queues are one line for all hosts, so that two processes ask one host at once, and what a process
popped is lost when it dies. Here each site has a line of its own, is asked by one process at a time with a pause
between, and what was popped is kept until it is done (`done`), or given to the next one after a while.
"""

from typing import Any

import redis
from scrapy import Request
from scrapy_redis.queue import Base

from configs.clock import clock
from configs.settings import settings
from crawler.discovery import scripts
from crawler.discovery.site_links import shape
from crawler.discovery.sites import site_of

TRIES = 3  # whoever asked for it died each time: perhaps of it
KEPT_SECONDS = 2 * 86400
_TAKEN = "taken"  # in a request's meta: its text in Redis
_MOST_OF_A_SHAPE = 30  # pages that differ in their numbers only: a calendar, a list
_WAITING = 20  # times DISCOVERY_PAGES: links of one site that wait at most


class SiteQueue(Base):  # type: ignore[misc]  # scrapy-redis has no types
    """What scrapy-redis's scheduler pushes to and pops from; `key` is the run's own."""

    server: redis.Redis
    key: str

    def __len__(self) -> int:
        """Return how many sites are not done: with pages that wait, or that a process is at."""
        return int(self.server.zcard(f"{self.key}:sites"))

    def push(self, request: Request) -> None:
        """Let a request wait for its site's turn; a site that has enough, or enough of its shape, takes no more."""
        current = settings()
        self._run(
            scripts.PUSH,
            _now(),
            site_of(request),
            -request.priority,
            self._encode_request(request),
            shape(request.url),
            _MOST_OF_A_SHAPE,
            _WAITING * current.discovery_pages,
            KEPT_SECONDS,
        )

    def pop(self, timeout: float = 0) -> Request | None:  # noqa: ARG002 -- scrapy-redis passes it
        """Return the best request of a site whose turn it is; None: none may be asked now."""
        current = settings()
        found = self._run(scripts.POP, _now(), hold_seconds(), current.discovery_pages, TRIES, KEPT_SECONDS)
        if not found:
            return None
        request: Request = self._decode_request(found)
        request.meta[_TAKEN] = found
        return request

    def finish_request(self, request: Request, pause: float = 0) -> None:
        """Say that a request which was popped needs no second try; its site rests for DISCOVERY_DELAY_SECONDS.

        Or for `pause` seconds, if that is longer.
        """
        delay = max(pause, settings().discovery_delay_seconds)
        self._run(scripts.DONE, _now(), site_of(request), request.meta[_TAKEN], delay)

    def leave(self, request: Request) -> None:
        """Ask nothing more of a request's site; the request itself is still to be done."""
        self._run(scripts.LEAVE, site_of(request))

    def clear(self) -> None:
        """Forget the run's requests."""
        self._run(scripts.CLEAR)

    def cut(self) -> frozenset[str]:
        """Return the sites (`name:port`) that were not walked to their end."""
        members: Any = self.server.smembers(f"{self.key}:cut")
        return frozenset(members)

    def unfinished(self) -> frozenset[str]:
        """Return the sites that still have pages to ask, or a process at one."""
        members: Any = self.server.zrange(f"{self.key}:sites", 0, -1)
        return frozenset(members)

    def count_asked(self) -> int:
        """Return how many pages were asked for, of all sites."""
        counts: Any = self.server.hvals(f"{self.key}:asked")
        return sum(map(int, counts))

    def _run(self, script: str, *arguments: str | float) -> Any:
        return self.server.register_script(script)([self.key], arguments)


def hold_seconds() -> float:
    """Return for how long a process may be at one page: robots.txt, the page, two pauses, and a margin."""
    current = settings()
    return (
        2 * (current.http_deadline_seconds + current.discovery_delay_seconds) + current.claim_margin_seconds
    )


def _now() -> float:
    return clock().timestamp()
