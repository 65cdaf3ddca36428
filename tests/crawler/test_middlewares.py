import gzip
from collections.abc import Callable
from urllib.parse import urlsplit

import pytest
from scrapy import Request
from scrapy.http import Response

from crawler import settings as ours
from crawler.fetching.decompression import ENCODINGS
from crawler.middlewares import LoopbackGuard, WholeRobotsTxt
from crawler.scheduling.queues import SPIDER_PLACES
from crawler.url_policy import AddressRefused
from tests.crawler.held import Held, scrapy_settings


@pytest.mark.rule("3.11")
def test_requests_to_anywhere_else_do_not() -> None:
    with pytest.raises(AddressRefused):
        LoopbackGuard().process_request(Request("https://www.essonne.gouv.fr/"))


@pytest.mark.rule("3.11")
@pytest.mark.parametrize("proxy", ["http://10.1.2.3:3128", "proxy.example.com:3128"])
def test_no_proxy_is_a_way_out(proxy: str) -> None:
    with pytest.raises(AddressRefused, match=r"10\.1\.2\.3|proxy\.example\.com"):
        LoopbackGuard().process_request(Request("http://127.0.0.1/", meta={"proxy": proxy}))


def test_an_explicit_setting_opens_it(settings_env: Callable[..., None]) -> None:
    settings_env(APP_ENV="development", ALLOW_LIVE_SITES="1")
    LoopbackGuard().process_request(Request("https://www.essonne.gouv.fr/"))


ROBOTS = Request("http://127.0.0.1/robots.txt", meta={"dont_obey_robotstxt": True})


def came(status: int, body: bytes = b"", **headers: str) -> Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Response(ROBOTS.url, status=status, body=body, headers=named)


@pytest.mark.rule("3.9")
@pytest.mark.parametrize(
    ("response", "read"),
    [
        (came(200, gzip.compress(b"Disallow: /a"), Content_Encoding="gzip"), b"Disallow: /a"),
        (came(200, gzip.compress(b"Disallow: /a")[:-9], Content_Encoding="gzip"), b"User-agent: *\nDisallow: /\n"),
        (came(200, b"Disallow: /a"), b"Disallow: /a"),
        (came(301, Location="http://127.0.0.2/robots.txt"), b"User-agent: *\nDisallow: /\n"),
        (came(404), b""),
    ],
    ids=["packed", "cut short", "plain", "of another host", "missing"],
)  # fmt: skip
def test_a_robots_txt_is_read_whole_or_allows_nothing(response: Response, read: bytes) -> None:
    found = WholeRobotsTxt(1000).process_response(ROBOTS, response)
    assert isinstance(found, Response)
    assert found.body == read


@pytest.mark.rule("3.9")
def test_a_robots_txt_is_followed_within_its_host_five_times() -> None:
    robots, hops = WholeRobotsTxt(1000), 0
    asked: Request | Response = ROBOTS
    while isinstance(asked, Request):
        assert asked.meta["dont_obey_robotstxt"]
        asked, hops = robots.process_response(asked, came(302, Location="/fichiers/robots.txt")), hops + 1
    assert hops == 6
    assert asked.body == b"User-agent: *\nDisallow: /\n"


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
