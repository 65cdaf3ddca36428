"""The switches that would break a promise if a new Scrapy moved them."""

from urllib.parse import urlsplit

import pytest

from crawler import settings as ours
from crawler.fetching.decompression import ENCODINGS
from crawler.scheduling.queues import SPIDER_PLACES
from tests.crawler.held import Held, scrapy_settings


@pytest.mark.parametrize(
    "switch",
    ["TELNETCONSOLE_ENABLED", "REMOTE_CONTROL_ENABLED", "RETRY_ENABLED", "REDIRECT_ENABLED", "METAREFRESH_ENABLED",
     "COOKIES_ENABLED", "HTTPPROXY_ENABLED", "COMPRESSION_ENABLED", "AUTOTHROTTLE_ENABLED", "DNSCACHE_ENABLED"],
)  # fmt: skip
def test_what_must_be_off_is_off(switch: str) -> None:
    assert scrapy_settings().getbool(switch) is False


@pytest.mark.rule("3.7")
def test_the_downloader_never_holds_back_what_has_a_place() -> None:
    assert SPIDER_PLACES() < ours.CONCURRENT_REQUESTS <= ours.CONCURRENT_REQUESTS_PER_DOMAIN


@pytest.mark.rule("3.11")
def test_only_the_guard_and_what_writes_headers_stand_before_the_wire(held: Held) -> None:
    engine = held.spider.crawler.engine
    names = [type(each).__name__ for each in engine.downloader.middleware.middlewares]
    assert names == ["DefaultHeadersMiddleware", "UserAgentMiddleware", "LoopbackGuard"]
    assert [type(each).__name__ for each in engine.scraper.spidermw.middlewares] == []


def test_only_the_web_is_asked(held: Held) -> None:
    handlers = held.spider.crawler.engine.downloader.handlers
    assert [scheme for scheme in ("file", "ftp", "s3", "data") if handlers._get_handler(scheme)] == []


def test_whatever_is_no_check_says_who_we_are() -> None:
    link = ours.USER_AGENT.partition("(+")[2].rstrip(")")
    assert set(ours.DEFAULT_REQUEST_HEADERS["Accept-Encoding"].split(", ")) == set(ENCODINGS.split(", "))
    assert urlsplit(link).hostname == "rdvpriority.fr"
