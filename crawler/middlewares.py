"""Downloader middlewares: headers of requests that bring none, and the loopback guard, the last before the wire."""

from collections.abc import Mapping
from typing import Self

from scrapy import Request
from scrapy.crawler import Crawler

from configs.ground.hosts import resolve_stand_in
from configs.settings import settings
from crawler.url_policy import ensure_allowed


class MissingHeaders:
    """Adds USER_AGENT and DEFAULT_REQUEST_HEADERS where a request has no agent; a check's brings all of its own.

    In place of two of Scrapy's, which write each header of each request anew.
    """

    def __init__(self, headers: Mapping[str, str]) -> None:
        self._headers = headers

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Self:
        """Build it as Scrapy asks for it."""
        given = crawler.settings.getdict("DEFAULT_REQUEST_HEADERS")
        return cls(given | {"User-Agent": crawler.settings["USER_AGENT"]})

    def process_request(self, request: Request) -> None:
        """Complete the request, or let it pass."""
        if "User-Agent" not in request.headers:
            for name, value in self._headers.items():
                request.headers.setdefault(name, value)


class LoopbackGuard:
    """Outside production nothing leaves this machine: refuses every other address, and every proxy on one.

    It stands last before the wire, so redirects and stand-ins are seen as they are really asked, and it looks no
    name up. It asks the settings each time: a spider of any system, and any request of one, is bound by it.
    """

    def process_request(self, request: Request) -> None:
        """Let the request pass.

        Raises:
            crawler.url_policy.AddressRefused: it would leave; the text says how to allow that.
        """
        # A browser asks a stand-in under its host's own name: crawler/browser/egress_proxy.py knows where it is.
        asked = (
            resolve_stand_in(request.url, settings().sandbox_hosts) if "tab" in request.meta else request.url
        )
        ensure_allowed(asked, settings())
        if proxy := request.meta.get("proxy"):
            ensure_allowed(proxy if "://" in proxy else f"http://{proxy}", settings(), "the proxy ")
