"""SSRF guard: addresses from outside (a person, a link, a frame, a redirect) must not lead into a private network.

A name is resolved once, refused where any of its addresses is not public, and connected to as resolved. Where nothing
may leave this machine, only loopback is asked.
"""

import socket
from urllib.parse import urlsplit

from aiohttp.abc import ResolveResult
from pydantic import TypeAdapter, ValidationError
from scrapy import Request
from scrapy.crawler import Crawler
from scrapy.http import Response

from configs.ground.addresses import is_loopback, resolve_stand_in
from configs.ground.public_addresses import is_public, parse_address
from configs.settings import settings
from configs.world.desk import WebAddress
from crawler.fetching.download_handler import AiohttpHandler, DnsResolver
from crawler.url_policy import AddressRefused, ensure_allowed

_WEB_ADDRESS: TypeAdapter[str] = TypeAdapter(WebAddress)


def refuse_private(url: str) -> None:
    """Refuse an address that is none of the public web, as far as that shows before its name is looked up.

    Raises:
        AddressRefused: says what is wrong and what to write instead.
    """
    try:
        _WEB_ADDRESS.validate_python(url.replace("ws", "http", 1) if url.startswith("ws") else url)
    except ValidationError as error:
        said = error.errors()[0]["msg"].removeprefix("Value error, ")
        raise AddressRefused(f"{url[:200]!r} is no address that can be opened: {said}") from None
    refuse_inside(url)
    if settings().loopback_only:
        ensure_allowed(resolve_stand_in(url, settings().sandbox_hosts), settings())


def refuse_inside(url: str) -> None:
    """Refuse an address of a private network that is written in figures; this machine's where nothing else is asked.

    Raises:
        AddressRefused: says what is opened.
    """
    host = urlsplit(url).hostname or ""
    own = settings().loopback_only and is_loopback(host)
    if (address := parse_address(host)) and not (own or is_public(address)):
        raise AddressRefused(_private(host, host))


class PublicNames(DnsResolver):
    """Looks names up and refuses those that lead into a private network."""

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Return a host's addresses, which are what is connected to.

        Raises:
            AddressRefused: one of them is not public.
            OSError: it has none.
        """
        found = await super().resolve(host, port, family)
        for each in found if not settings().loopback_only else ():
            address = parse_address(each["host"])
            if address is None or not is_public(address):
                raise AddressRefused(_private(host, each["host"]))
        return found


class OutsideHandler(AiohttpHandler):
    """Scrapy's download handler for addresses from outside."""

    names = PublicNames

    def __init__(self, crawler: Crawler) -> None:
        super().__init__(crawler)
        self._public = PublicNames(crawler.settings.getfloat("DNS_TIMEOUT"))
        self._proxied = AiohttpHandler(crawler)  # an operator chose the proxy: it may be in a private network

    async def download_request(self, request: Request) -> Response:
        """Ask for a public address; raises AddressRefused for any other, and what AiohttpHandler raises."""
        refuse_private(request.url)
        if "proxy" not in request.meta:
            return await super().download_request(request)
        await self._public.resolve(urlsplit(request.url).hostname or "")  # the proxy would ask a private one
        return await self._proxied.download_request(request)

    async def close(self) -> None:
        """Drop all connections."""
        await self._proxied.close()
        await super().close()


def _private(host: str, address: str) -> str:
    where = host if host == address else f"{host} ({address})"
    return f"{where} is not on the public internet: only pages that everybody can open are opened"
