"""Scrapy download handler on aiohttp in place of Twisted: two thirds of the CPU per page.

Scrapy ships an experimental one; this one resolves names on threads of its own and tells errors apart.
Interface: https://docs.scrapy.org/en/latest/topics/download-handlers.html
"""

import asyncio
from collections.abc import Iterable
from functools import lru_cache
from typing import Any, ClassVar, cast

import aiohttp
from aiohttp.client_middlewares import ClientMiddlewareType
from scrapy import Request
from scrapy.core.downloader.handlers.base import BaseDownloadHandler
from scrapy.crawler import Crawler
from scrapy.exceptions import (
    CannotResolveHostError,
    DownloadCancelledError,
    DownloadConnectionRefusedError,
    DownloadFailedError,
    DownloadTimeoutError,
    ResponseDataLossError,
    UnsupportedURLSchemeError,
)
from scrapy.http import Headers, Response
from scrapy.responsetypes import responsetypes
from yarl import URL

from crawler.fetching.dns_resolver import DnsResolver
from crawler.fetching.errors import NoHTTP
from crawler.fetching.proxy_errors import ask_by_proxy, connection_trace
from crawler.fetching.request_builder import normalize_name

# How long a proxy may take to accept a connection
_PROXY_CONNECT_SECONDS = 5

UNASKED = ("Accept", "Accept-Encoding", "Content-Type", "User-Agent")  # aiohttp adds none of its own
# What it adds where a request has none; the last one to those with a body only.
_BY_AIOHTTP = (b"Accept", b"Accept-Encoding", b"User-Agent", b"Content-Type")
_UNWATCHED = aiohttp.ClientTimeout(
    total=None, sock_connect=None
)  # the request's time is watched here, to the end
_KINDS: dict[type[aiohttp.ClientError], type[Exception]] = {
    aiohttp.ClientConnectorDNSError: CannotResolveHostError,
    aiohttp.ClientSSLError: DownloadFailedError,  # told by its cause
    aiohttp.ClientConnectorError: OSError,
    aiohttp.ClientPayloadError: ResponseDataLossError,
    aiohttp.InvalidURL: UnsupportedURLSchemeError,
    aiohttp.ClientError: DownloadFailedError,
}


class AiohttpHandler(BaseDownloadHandler):
    """One pool of connections; nothing waits for a place in it, for the dispatcher counts the places."""

    lazy = True  # aiohttp's parts want a loop that runs: `scrapy shell` makes its engine before there is one
    middlewares: ClassVar[tuple[ClientMiddlewareType, ...]] = ()
    names: ClassVar[type[DnsResolver]] = DnsResolver
    unasked: ClassVar[tuple[str, ...] | None] = None  # each request says it, see `_unasked`

    def __init__(self, crawler: Crawler) -> None:
        super().__init__(crawler)
        given = crawler.settings
        self._seconds = given.getfloat("DOWNLOAD_TIMEOUT")
        self._largest = given.getint("DOWNLOAD_MAXSIZE")
        self._names = self.names(given.getfloat("DNS_TIMEOUT"), given.getint("REACTOR_THREADPOOL_MAXSIZE"))
        self._connector = aiohttp.TCPConnector(limit=0, resolver=self._names)
        self._session = self._client(timeout=_UNWATCHED)
        self._by_proxy: aiohttp.ClientSession | None = None

    async def download_request(self, request: Request) -> Response:
        """Ask, within the request's `download_timeout` (seconds) in all, and return the whole answer.

        Raises:
            scrapy.exceptions.DownloadTimeoutError: it took longer.
            scrapy.exceptions.DownloadCancelledError: it is larger than DOWNLOAD_MAXSIZE.
            crawler.fetching.errors.ProxyFailed: the request's proxy is at fault.
            scrapy.exceptions, OSError, crawler.fetching.errors.NoHTTP: what else went wrong, see `_KINDS`.
        """
        if tab := request.meta.get("tab"):  # a browser's page (crawler/browser), which watches its own time
            return cast("Response", await tab.download(request))
        try:
            return await (
                ask_by_proxy(self._ask_in_time, request)
                if "proxy" in request.meta
                else self._ask_in_time(request)
            )
        except TimeoutError as error:
            raise DownloadTimeoutError(
                f"{request.url} took longer than {self._seconds_left(request):g} s"
            ) from error
        except aiohttp.ClientResponseError as error:
            raise NoHTTP(" ".join(error.message.split())) from None
        except aiohttp.ClientError as error:
            raise _translate_error(error) from error

    async def close(self) -> None:
        """Drop all connections."""
        await self._session.close()
        if self._by_proxy:
            await self._by_proxy.close()
        await self._connector.close()
        await self._names.close()

    def _client(self, **how: Any) -> aiohttp.ClientSession:
        client = aiohttp.ClientSession(
            connector=self._connector,
            connector_owner=False,
            cookie_jar=aiohttp.DummyCookieJar(),  # each check has its own
            auto_decompress=False,  # crawler/fetching/decompression.py proves the page whole
            skip_auto_headers=self.unasked,
            middlewares=self.middlewares,
            **how,
        )
        # It would ask once more by itself when a connection is lost, without that anybody paid or counted it; there
        # is no other switch (its own test client moves this one).
        client._retry_connection = False  # noqa: SLF001
        return client

    def _client_of(self, request: Request) -> aiohttp.ClientSession:
        """Return who asks: by a proxy somebody who watches how far the connection comes."""
        if "proxy" not in request.meta:
            return self._session
        if self._by_proxy is None:
            patience = aiohttp.ClientTimeout(total=None, sock_connect=_PROXY_CONNECT_SECONDS)
            self._by_proxy = self._client(timeout=patience, trace_configs=[connection_trace()])
        return self._by_proxy

    def _seconds_left(self, request: Request) -> float:
        return float(request.meta.get("download_timeout", self._seconds))

    async def _ask_in_time(self, request: Request) -> Response:
        async with asyncio.timeout(self._seconds_left(request)):
            return await self._ask(request)

    async def _ask(self, request: Request) -> Response:
        async with self._client_of(request).request(
            request.method,
            URL(request.url, encoded=True),  # Scrapy has quoted it
            data=request.body or None,
            headers=spell_headers(request),
            skip_auto_headers=_unasked(request),
            allow_redirects=False,
            proxy=request.meta.get("proxy"),
        ) as answer:
            return await read_answer(answer, request.url, self._largest)


def spell_headers(request: Request) -> list[tuple[str, str]]:
    """Return the request's headers as browsers spell them: Scrapy capitalises client hints."""
    # The dictionary below the headers: their own `items` normalizes each name again.
    given: dict[bytes, list[bytes]] = request.headers
    return [(_spell_name(name), value.decode()) for name, values in dict.items(given) for value in values]


def _unasked(request: Request) -> tuple[str, ...] | None:
    """Return the headers that aiohttp must not add; None where it has none to add, which saves it a copy of all."""
    added = _BY_AIOHTTP if request.body else _BY_AIOHTTP[:-1]
    return None if all(dict.get(request.headers, name) for name in added) else UNASKED


@lru_cache(1000)
def _spell_name(name: bytes) -> str:
    spelt = name.decode()
    return spelt.lower() if spelt.startswith("Sec-Ch-") else spelt


async def read_answer(answer: aiohttp.ClientResponse, url: str, largest: int) -> Response:
    """Read an answer to its end and return it as Scrapy's; `largest` is in bytes.

    Raises:
        scrapy.exceptions.DownloadCancelledError: it is larger.
        aiohttp.ClientError: it broke off.
    """
    if (announced := answer.content_length or 0) > largest:
        raise DownloadCancelledError(f"{announced} bytes are announced, {largest} are read at most")
    body = b""
    async for chunk in answer.content.iter_any():
        body += chunk
        if len(body) > largest:
            raise DownloadCancelledError(f"there are more than {largest} bytes")
    headers = _read_headers(answer.raw_headers)
    kind = responsetypes.from_args(headers=headers, url=url, body=body)
    response = kind(url, status=answer.status, body=body)
    response.headers = headers  # given to it they would be copied, name by name
    return response


def _read_headers(raw: Iterable[tuple[bytes, bytes]]) -> Headers:
    """Return an answer's headers as Scrapy's, in bytes: not every site writes UTF-8."""
    headers = Headers()
    named: dict[bytes, list[bytes]] = {}
    for name, value in raw:
        named.setdefault(normalize_name(name), []).append(value)
    dict.update(headers, named)  # its own `update` normalizes each name again, of each answer
    return headers


def _translate_error(error: aiohttp.ClientError) -> Exception:
    if isinstance(error, aiohttp.ClientConnectorError) and isinstance(error.os_error, ConnectionRefusedError):
        return DownloadConnectionRefusedError(str(error))
    return next(kind for known, kind in _KINDS.items() if isinstance(error, known))(str(error))
