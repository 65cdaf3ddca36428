"""Scrapy settings of a walk: the differences from crawler/settings.py, with their reasons."""

import json
from typing import Any

from configs.settings import settings
from crawler import settings as usual
from crawler.discovery.daily_schedule import DISCOVERY_SECONDS
from crawler.discovery.site_walk import DISCOVERY_DELAY_SECONDS
from crawler.fetching.browser_headers import honest
from crawler.scheduling.queues import HTTP_DEADLINE_SECONDS

_ROBOTS = "scrapy.downloadermiddlewares.robotstxt.RobotsTxtMiddleware"
_WHOLE = "crawler.middlewares.WholeRobotsTxt"
_OUTSIDE = "crawler.fetching.ssrf_guard.OutsideHandler"  # links and redirects may name any address
_READ = 20_000_000  # bytes of answers being read: a brake on memory
# Methods of the spider and keys of meta: a text in Redis may name no others, as a proxy.
_CALLED = {"callback": "page", "errback": "trouble"}
_META = {"prefecture_id", "address", "home", "steps"}


class RequestSerializer:
    """Requests as JSON in Redis, never as pickles, which run code on loading (SCHEDULER_SERIALIZER)."""

    @staticmethod
    def dumps(request: dict[str, Any]) -> str:
        """Return a request, as `Request.to_dict` gives it, as a text."""
        meta = {name: request["meta"][name] for name in _META}
        return json.dumps({"url": request["url"], "priority": request["priority"], "meta": meta})

    @staticmethod
    def loads(text: str | bytes) -> dict[str, Any]:
        """Return the argument of `request_from_dict`: a plain GET.

        Raises:
            ValueError: the text is no request that `dumps` wrote.
        """
        values = json.loads(text)
        is_request = isinstance(values, dict) and set(values) == {"url", "priority", "meta"}
        if not is_request or not isinstance(values["meta"], dict) or set(values["meta"]) != _META:
            raise ValueError(f"no request of ours: {text!r:.200}")
        return {**values, **_CALLED}


def polite_settings(sites: int) -> dict[str, Any]:
    """Return the settings of every walk: one request at a time per site with a pause, robots.txt, honest headers.

    A site has one page under way, which may wait for its robots.txt: with two places for each no site waits for
    another, though scrapy-redis's queue has one line for all.
    """
    return {
        "USER_AGENT": honest().name,
        # The name by which a site's robots.txt addresses us.
        "ROBOTSTXT_USER_AGENT": honest().name.partition("/")[0],
        "ROBOTSTXT_OBEY": True,
        "DOWNLOADER": "scrapy.core.downloader.Downloader",  # ours holds nothing back
        "CONCURRENT_REQUESTS_PER_DOMAIN": 1,
        "CONCURRENT_REQUESTS": max(1, 2 * sites),
        "DOWNLOAD_DELAY": DISCOVERY_DELAY_SECONDS(),
        "DOWNLOAD_DELAY_JITTER": 0,
        "CLOSESPIDER_TIMEOUT": DISCOVERY_SECONDS(),
        "DOWNLOAD_TIMEOUT": HTTP_DEADLINE_SECONDS(),
        "SCRAPER_SLOT_MAX_ACTIVE_SIZE": _READ,
        "DOWNLOAD_HANDLERS": {**usual.DOWNLOAD_HANDLERS, "http": _OUTSIDE, "https": _OUTSIDE},
        "ITEM_PIPELINES": {},  # a page of discovery is no check
        "DOWNLOADER_MIDDLEWARES": {**usual.DOWNLOADER_MIDDLEWARES, _ROBOTS: 100, _WHOLE: 900},
    }


def redis_settings(key: str) -> dict[str, Any]:
    """Return the settings of a walk of all sites: scrapy-redis as it is, with the walk's own keys.

    Both keys are emptied at the start and at the end of a process: a walk is resumed from its observations.
    """
    return {
        "SCHEDULER": "scrapy_redis.scheduler.Scheduler",
        "SCHEDULER_QUEUE_CLASS": "scrapy_redis.queue.PriorityQueue",
        "SCHEDULER_QUEUE_KEY": f"{key}:requests",
        "SCHEDULER_DUPEFILTER_KEY": f"{key}:seen",
        "DUPEFILTER_CLASS": "scrapy_redis.dupefilter.RFPDupeFilter",
        "SCHEDULER_SERIALIZER": RequestSerializer,
        "SCHEDULER_PERSIST": False,
        "SCHEDULER_FLUSH_ON_START": True,
        "SCHEDULER_IDLE_BEFORE_CLOSE": 0,  # more would block the event loop
        "REDIS_URL": settings().require("redis_url"),
        "REDIS_PARAMS": {
            "decode_responses": True, "socket_timeout": 5, "socket_connect_timeout": 2, "health_check_interval": 15,
        },
    }  # fmt: skip
