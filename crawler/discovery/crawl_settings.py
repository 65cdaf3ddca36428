"""Scrapy settings of a discovery run: the differences from crawler/settings.py, with their reasons."""

from typing import Any

from configs.settings import settings
from crawler import settings as usual
from crawler.discovery.politeness import DISCOVERY_DELAY_SECONDS
from crawler.discovery.queue import DISCOVERY_PAGES, RequestSerializer
from crawler.discovery.runs import DISCOVERY_SECONDS
from crawler.fetching.browser_headers import honest
from crawler.scheduling.queues import HTTP_DEADLINE_SECONDS

_ROBOTS = "scrapy.downloadermiddlewares.robotstxt.RobotsTxtMiddleware"
_OUTSIDE = "crawler.fetching.ssrf_guard.OutsideHandler"  # links and redirects may name any address
_READ = 20_000_000  # bytes of answers being read: a brake on memory


def polite_settings() -> dict[str, Any]:
    """Return the settings of every run: one request at a time per site with a pause, robots.txt, honest headers."""
    return {
        "USER_AGENT": honest().name,
        # The name by which a site's robots.txt addresses us.
        "ROBOTSTXT_USER_AGENT": honest().name.partition("/")[0],
        "ROBOTSTXT_OBEY": True,
        "DOWNLOADER": "scrapy.core.downloader.Downloader",  # ours holds nothing back
        # The queue keeps both limits over all processes (queue.py); within one process this counts robots.txt too.
        "CONCURRENT_REQUESTS_PER_DOMAIN": 1,
        "CONCURRENT_REQUESTS": 32,
        "DOWNLOAD_DELAY": DISCOVERY_DELAY_SECONDS(),
        "DOWNLOAD_DELAY_JITTER": 0,
        "DOWNLOAD_TIMEOUT": HTTP_DEADLINE_SECONDS(),
        "SCRAPER_SLOT_MAX_ACTIVE_SIZE": _READ,
        "DOWNLOAD_HANDLERS": {**usual.DOWNLOAD_HANDLERS, "http": _OUTSIDE, "https": _OUTSIDE},
        "ITEM_PIPELINES": {},  # a page of discovery is no check
        "DOWNLOADER_MIDDLEWARES": {**usual.DOWNLOADER_MIDDLEWARES, _ROBOTS: 100},
    }


def shared_settings(key: str) -> dict[str, Any]:
    """Return the settings of a run shared by several processes: scrapy-redis, with the run's own keys.

    A process that ends leaves the keys to the others. The end of the run removes them.
    """
    return {
        "SCHEDULER": "scrapy_redis.scheduler.Scheduler",
        "SCHEDULER_QUEUE_CLASS": "crawler.discovery.queue.SiteQueue",
        "SCHEDULER_QUEUE_KEY": f"{key}:requests",
        "SCHEDULER_DUPEFILTER_KEY": f"{key}:seen",
        "DUPEFILTER_CLASS": "scrapy_redis.dupefilter.RFPDupeFilter",
        "SCHEDULER_SERIALIZER": RequestSerializer,
        "SCHEDULER_PERSIST": True,
        "SCHEDULER_IDLE_BEFORE_CLOSE": 0,  # more would block the event loop
        "REDIS_URL": settings().require("redis_url"),
        "REDIS_PARAMS": {
            "decode_responses": True, "socket_timeout": 5, "socket_connect_timeout": 2, "health_check_interval": 15,
        },
    }  # fmt: skip


def terminal_settings() -> dict[str, Any]:
    """Return the settings of a run at the terminal: Scrapy's own scheduler, and limits."""
    return {
        "CONCURRENT_REQUESTS": 1,  # more would wait in the downloader, where priorities do not count
        "CLOSESPIDER_PAGECOUNT": DISCOVERY_PAGES(),
        "CLOSESPIDER_TIMEOUT": DISCOVERY_SECONDS(),
    }
