"""Scrapy's settings of a walk, and its requests as Redis keeps them."""

import json
from collections.abc import Mapping
from typing import Any

from configs.settings import settings
from crawler import settings as usual
from crawler.discovery.site_walk import discovery_delay_seconds
from crawler.fetching.identity import honest
from crawler.scheduling.due_queue import http_deadline_seconds

_WHOLE = "crawler.middlewares.WholeRobotsTxt"
_OUTSIDE = "crawler.fetching.ssrf_guard.OutsideHandler"  # links and redirects may name any address
_READ = 20_000_000  # bytes of answers being read: a brake on memory
_META = ("prefecture_id", "address", "steps")


class RequestSerializer:
    """Requests as JSON in Redis, never as pickles, which run code on loading (SCHEDULER_SERIALIZER)."""

    @staticmethod
    def dumps(request: Mapping[str, Any]) -> str:
        """Return a request, as `Request.to_dict` gives it, as a text."""
        meta = {name: request["meta"][name] for name in _META}
        return json.dumps({"url": request["url"], "priority": request["priority"], "meta": meta})

    @staticmethod
    def loads(text: str | bytes) -> dict[str, Any]:
        """Return the argument of `request_from_dict`: a plain GET, whatever else the text names, as a proxy.

        Raises:
            ValueError, LookupError, TypeError: the text is no request that `dumps` wrote.
        """
        values = json.loads(text)
        meta = {name: values["meta"][name] for name in _META}
        called = {"callback": "page", "errback": "trouble"}
        return {"url": values["url"], "priority": values["priority"], "meta": meta, **called}


def walk_settings(key: str, seconds: float) -> dict[str, Any]:
    """Return the settings of a walk that may last so long: polite requests by scrapy-redis, with the walk's own keys.

    A site has one page under way, which may wait for its robots.txt: CONCURRENT_REQUESTS (crawler/settings.py) has two
    places for each, so no site waits for another, though scrapy-redis's queue has one line for all. The queue is
    emptied at the start and at the end of a process: a walk is resumed from the pages that it saw.
    """
    return {
        "USER_AGENT": honest().name,
        # The name by which a site's robots.txt addresses us.
        "ROBOTSTXT_USER_AGENT": honest().name.partition("/")[0],
        "ROBOTSTXT_OBEY": True,
        "CONCURRENT_REQUESTS_PER_DOMAIN": 1,
        "DOWNLOAD_DELAY": discovery_delay_seconds(),
        "DOWNLOAD_DELAY_JITTER": 0,
        "DOWNLOAD_TIMEOUT": http_deadline_seconds(),
        "CLOSESPIDER_TIMEOUT": seconds,
        "SCRAPER_SLOT_MAX_ACTIVE_SIZE": _READ,
        "DOWNLOAD_HANDLERS": {**usual.DOWNLOAD_HANDLERS, "http": _OUTSIDE, "https": _OUTSIDE},
        "ITEM_PIPELINES": {},  # a page of discovery is no check
        "DOWNLOADER_MIDDLEWARES": {**usual.DOWNLOADER_MIDDLEWARES, _WHOLE: 900},
        "SCHEDULER": "scrapy_redis.scheduler.Scheduler",
        "SCHEDULER_QUEUE_KEY": f"{key}:requests",
        "SCHEDULER_DUPEFILTER_KEY": f"{key}:seen",
        "DUPEFILTER_CLASS": "scrapy_redis.dupefilter.RFPDupeFilter",
        "SCHEDULER_SERIALIZER": RequestSerializer,
        "SCHEDULER_FLUSH_ON_START": True,
        "REDIS_URL": settings().require("redis_url"),
        "REDIS_PARAMS": {
            "decode_responses": True, "socket_timeout": 5, "socket_connect_timeout": 2, "health_check_interval": 15,
        },
    }  # fmt: skip
