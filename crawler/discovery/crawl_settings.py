"""The Scrapy settings of a walk: what differs from crawler/settings.py, with the reasons."""

from typing import Any

from configs.settings import settings
from crawler import settings as usual
from crawler.fetching.browser_headers import honest

_ROBOTS = "scrapy.downloadermiddlewares.robotstxt.RobotsTxtMiddleware"
_OUTSIDE = "crawler.fetching.ssrf_guard.OutsideHandler"  # links and redirects may name any address
_READ = 20_000_000  # bytes of answers being read: a brake on memory


def gentle() -> dict[str, Any]:
    """Return what every walk has: one request at a time per site with a pause, robots.txt obeyed, honest headers."""
    current = settings()
    return {
        "USER_AGENT": honest().name,
        # A site's robots.txt speaks to us by this name.
        "ROBOTSTXT_USER_AGENT": honest().name.partition("/")[0],
        "ROBOTSTXT_OBEY": True,
        # Over all processes the queue sees to both (crawler/discovery/queue.py); within one this counts robots.txt too.
        "CONCURRENT_REQUESTS_PER_DOMAIN": 1,
        "CONCURRENT_REQUESTS": 32,
        "DOWNLOAD_DELAY": current.discovery_delay_seconds,
        "DOWNLOAD_DELAY_JITTER": 0,
        "DOWNLOAD_TIMEOUT": current.http_deadline_seconds,
        "SCRAPER_SLOT_MAX_ACTIVE_SIZE": _READ,
        "DOWNLOAD_HANDLERS": {**usual.DOWNLOAD_HANDLERS, "http": _OUTSIDE, "https": _OUTSIDE},
        "ITEM_PIPELINES": {},  # what is seen is no check
        "DOWNLOADER_MIDDLEWARES": {**usual.DOWNLOADER_MIDDLEWARES, _ROBOTS: 100},
    }


def shared(key: str) -> dict[str, Any]:
    """Return what a walk by several processes has besides: scrapy-redis, on keys of its own.

    They are kept when a process ends: the next one goes on. The end of the walk removes them.
    """
    return {
        "SCHEDULER": "scrapy_redis.scheduler.Scheduler",
        "SCHEDULER_QUEUE_CLASS": "crawler.discovery.queue.SiteQueue",
        "SCHEDULER_QUEUE_KEY": f"{key}:requests",
        "SCHEDULER_DUPEFILTER_KEY": f"{key}:seen",
        "DUPEFILTER_CLASS": "scrapy_redis.dupefilter.RFPDupeFilter",
        "SCHEDULER_SERIALIZER": "crawler.discovery.serializer",
        "SCHEDULER_PERSIST": True,
        "SCHEDULER_IDLE_BEFORE_CLOSE": 0,  # more would block the event loop
        "REDIS_URL": settings().require("redis_url"),
        "REDIS_PARAMS": {
            "decode_responses": True, "socket_timeout": 5, "socket_connect_timeout": 2, "health_check_interval": 15,
        },
    }  # fmt: skip


def alone() -> dict[str, Any]:
    """Return what a walk of one prefecture at the terminal has besides: Scrapy's own scheduler, and its bounds."""
    current = settings()
    return {
        "CONCURRENT_REQUESTS": 1,  # more would wait in the downloader, where what is promising cannot overtake
        "CLOSESPIDER_PAGECOUNT": current.discovery_pages,
        "CLOSESPIDER_TIMEOUT": current.discovery_seconds,
    }
