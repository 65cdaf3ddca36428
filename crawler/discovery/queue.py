"""The request queue of a discovery run in Redis, with one waiting line for each site.

scrapy-redis's own queues have one line for all hosts: two processes may ask one host at once, and a request is lost
when the process that popped it dies. Here one process at a time asks a site, with a pause between two requests. A
popped request is kept until `finish_request`; after `hold_seconds` it goes to the next process.

Each operation is a Lua script (lua/*.lua), atomic in Redis. Keys, all with the run's prefix:

* `:sites`: sorted set, site → time (unix seconds) from which on it may be asked
* `:at:<site>`: sorted set of the site's waiting requests, the best first
* `:taken`: hash, site → "<tries> <request>" that a process has popped
* `:asked`: hash, site → pages asked
* `:shapes`: hash, "<site> <shape>" → pages of that shape
* `:cut`: set of the sites that were not walked to their end
"""

import json
from functools import cache
from importlib.resources import files
from typing import Any

import redis
from scrapy import Request
from scrapy_redis.queue import Base

from configs.clock import clock
from configs.constants import Constant
from crawler.discovery.politeness import DISCOVERY_DELAY_SECONDS, site_of
from crawler.discovery.site_links import shape
from crawler.scheduling.queues import CLAIM_MARGIN_SECONDS, HTTP_DEADLINE_SECONDS

# How many pages of one site a walk asks for
DISCOVERY_PAGES = Constant("DISCOVERY_PAGES", 100)

TRIES = 3  # of one request: a page may kill each process that asks for it
KEPT_SECONDS = 2 * 86400
_TAKEN = "taken"  # key in a request's meta: its text in Redis
_MOST_OF_A_SHAPE = 30  # pages whose addresses differ in numbers only: a calendar, a list
_FIELDS = ("url", "callback", "errback", "meta", "priority", "dont_filter")  # our requests are plain GETs
_CALLED = {
    "callback": "page",
    "errback": "trouble",
}  # methods of the spider: others are not for a text to name
_META = {
    "prefecture_id",
    "address",
    "home",
    "steps",
    "depth",
}  # nothing that the downloader obeys, as a proxy
_WAITING = 20  # times DISCOVERY_PAGES: most waiting requests of one site


class RequestSerializer:
    """Requests as JSON in Redis, never as pickles, which run code on loading (SCHEDULER_SERIALIZER)."""

    @staticmethod
    def dumps(request: dict[str, Any]) -> str:
        """Return a request, as `Request.to_dict` gives it, as a text: equal requests give equal texts."""
        return json.dumps({name: request[name] for name in _FIELDS}, sort_keys=True, ensure_ascii=False)

    @staticmethod
    def loads(text: str | bytes) -> dict[str, Any]:
        """Return the argument of `request_from_dict`.

        Raises:
            ValueError: the text is no request that `dumps` wrote.
        """
        values = json.loads(text)
        if not isinstance(values, dict) or set(values) != set(_FIELDS) or not _is_ours(values):
            raise ValueError(f"no request of ours: {text!r:.200}")
        return values


def _is_ours(values: dict[str, Any]) -> bool:
    """Tell whether a request calls what our walk calls, and asks nothing else of the downloader."""
    called = {name: values[name] for name in _CALLED}
    return called == _CALLED and isinstance(values["meta"], dict) and set(values["meta"]) <= _META


class SiteQueue(Base):  # type: ignore[misc]  # scrapy-redis has no types
    """The queue class of scrapy-redis's scheduler; `key` is the prefix of the run's keys."""

    server: redis.Redis
    key: str

    def __len__(self) -> int:
        """Return the number of unfinished sites: with waiting requests, or one that a process has taken."""
        return int(self.server.zcard(f"{self.key}:sites"))

    def push(self, request: Request) -> None:
        """Add a request, unless enough of its site or of its shape wait already."""
        self._run(
            "push",
            _now(),
            site_of(request),
            -request.priority,
            self._encode_request(request),
            shape(request.url),
            _MOST_OF_A_SHAPE,
            _WAITING * DISCOVERY_PAGES(),
            KEPT_SECONDS,
        )

    def pop(self, timeout: float = 0) -> Request | None:  # noqa: ARG002 -- scrapy-redis passes it
        """Return the best request of a site whose turn it is, None if no site may be asked now."""
        found = self._run("pop", _now(), hold_seconds(), DISCOVERY_PAGES(), TRIES, KEPT_SECONDS)
        if not found:
            return None
        request: Request = self._decode_request(found)
        request.meta[_TAKEN] = found
        return request

    def finish_request(self, request: Request, pause: float = 0) -> None:
        """Mark a popped request as finished; its site rests for DISCOVERY_DELAY_SECONDS or a longer `pause`."""
        delay = max(pause, DISCOVERY_DELAY_SECONDS())
        self._run("finish", _now(), site_of(request), request.meta[_TAKEN], delay)

    def leave(self, request: Request) -> None:
        """Drop the other requests of a request's site; the request itself is still to be finished."""
        self._run("leave", site_of(request))

    def clear(self) -> None:
        """Remove all keys of the run."""
        self._run("clear")

    def cut(self) -> frozenset[str]:
        """Return the sites (`name:port`) that were not walked to their end."""
        members: Any = self.server.smembers(f"{self.key}:cut")
        return frozenset(members)

    def unfinished(self) -> frozenset[str]:
        """Return the sites with waiting or taken requests."""
        members: Any = self.server.zrange(f"{self.key}:sites", 0, -1)
        return frozenset(members)

    def count_asked(self) -> int:
        """Return the number of pages requested, of all sites."""
        counts: Any = self.server.hvals(f"{self.key}:asked")
        return sum(map(int, counts))

    def _run(self, script: str, *arguments: str | float) -> Any:
        return self.server.register_script(_load_script(script))([self.key], arguments)


def hold_seconds() -> float:
    """Return how long a process may hold one site: robots.txt, the page, two pauses, and a margin."""
    return 2 * (HTTP_DEADLINE_SECONDS() + DISCOVERY_DELAY_SECONDS()) + CLAIM_MARGIN_SECONDS()


def _now() -> float:
    return clock().timestamp()


@cache
def _load_script(name: str) -> str:
    return (files("crawler.discovery") / "lua" / f"{name}.lua").read_text("utf-8")
