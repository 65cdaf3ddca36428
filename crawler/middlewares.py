"""Downloader middleware: the loopback guard, the last one before a request leaves."""

from scrapy import Request

from configs.hosts import resolve_stand_in
from configs.settings import settings
from crawler.url_policy import ensure_allowed


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
