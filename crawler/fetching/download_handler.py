"""Scrapy download handler on aiohttp in place of Twisted: two thirds of the CPU per page.

Scrapy's own is experimental; this one also limits the time of DNS look-ups and distinguishes errors.
Interface: https://docs.scrapy.org/en/latest/topics/download-handlers.html

Bodies are unpacked here, with proof that they are whole: half a page could look like an empty calendar.
"""

import asyncio
import logging
import re
import socket
import zlib
from concurrent.futures import ThreadPoolExecutor
from typing import ClassVar

import aiohttp
from aiohttp.abc import ResolveResult
from aiohttp.client_middlewares import ClientMiddlewareType
from scrapy import Request
from scrapy.core.downloader.handlers.base import BaseDownloadHandler
from scrapy.crawler import Crawler
from scrapy.http import Headers, Response
from scrapy.responsetypes import responsetypes
from yarl import URL

from crawler.fetching.errors import Broken, NoHTTP, NotAccepted, TooLarge
from crawler.fetching.identity import PROXY_CONNECT_SECONDS, ask_by_proxy

# zlib's own numbers: 16 more than the window for a gzip wrapper, negative for none
# (https://docs.python.org/3/library/zlib.html#zlib.decompressobj).
_GZIP = 16 + zlib.MAX_WBITS
_ZLIB = zlib.MAX_WBITS
_RAW = -zlib.MAX_WBITS
# Content codings, registered (https://www.iana.org/assignments/http-parameters/) and old
_COMPRESSION = re.compile(
    r"(?:x-)?(?:gzip|compress|deflate|bzip2?|xz|zip)|br|brotli|zstd|sdch|exi|pack200-gzip|aes128gcm|dc[bz]"
)
_LOOKED_AT = 1024
_MAGIC = b"\x1f\x8b"
_MOST_MEMBERS = 10  # of a gzip: each copies what is behind it
_KINDS = {"gzip": (_GZIP,), "x-gzip": (_GZIP,), "deflate": (_ZLIB, _RAW)}  # some servers send deflate bare

# In a request's meta: the headers of its agent, as pairs. Scrapy would capitalise client hints, which no browser does,
# and take a tenth of a page's CPU for it.
HEADERS = "headers"
UNASKED = ("Accept", "Accept-Encoding", "Content-Type", "User-Agent")  # aiohttp must not add its own
# No time-out by aiohttp: `_ask_in_time` limits the whole request.
_UNWATCHED = aiohttp.ClientTimeout(total=None, sock_connect=None)
_BY_PROXY = aiohttp.ClientTimeout(total=None, sock_connect=PROXY_CONNECT_SECONDS)
log = logging.getLogger(__name__)


def unpack_response(response: Response, limit: int) -> tuple[bytes, dict[str, str]]:
    """Return a response's body without its encodings, and its headers (see `headers_of`).

    Raises:
        Broken, NotAccepted, TooLarge: as `unpack` says.
    """
    headers = headers_of(response)
    return unpack(response.body, headers.get("content-encoding", ""), limit), headers


def headers_of(response: Response) -> dict[str, str]:
    """Return a response's headers by their names in lower case; repeated ones are joined."""
    return {
        name.decode("latin-1").lower(): b", ".join(values).decode("latin-1")
        for name, values in response.headers.items()
    }


def unpack(body: bytes, encodings: str, limit: int) -> bytes:
    """Return the body without the encoding that Content-Encoding names.

    Raises:
        Broken: it is cut short or corrupt.
        NotAccepted: it has an encoding that we do not ask for, or several.
        TooLarge: it unpacks to more than `limit` bytes.
    """
    named = [name for each in encodings.split(",") if (name := each.strip().lower()) not in ("", "identity")]
    if b"\0" not in body[:_LOOKED_AT]:  # text: other words mean nothing, as in browsers
        named = [each for each in named if _COMPRESSION.fullmatch(each)]
    if not named:
        return body
    if len(named) > 1 or named[0] not in _KINDS:
        raise NotAccepted(f"it is encoded as {encodings[:40]!r}, which was not asked for")
    problem = ""
    for kind in _KINDS[named[0]]:
        try:
            return _inflate(body, kind, limit)
        except zlib.error as error:
            problem = problem or str(error)
    raise Broken(f"its {named[0]} is corrupt: {problem}")


def _inflate(body: bytes, kind: int, limit: int) -> bytes:
    plain = b""
    if not body:
        return plain
    for _ in range(_MOST_MEMBERS):  # gzip may come in several, one after the other (RFC 1952, section 2.2)
        stream = zlib.decompressobj(kind)
        plain += stream.decompress(body, limit + 1 - len(plain))
        if len(plain) > limit:
            raise TooLarge(f"it unpacks to more than {limit} bytes")
        if not stream.eof:
            raise Broken("it is packed and cut short")
        body = stream.unused_data
        if not body.startswith(_MAGIC):
            return plain
    raise Broken(f"it is packed in more than {_MOST_MEMBERS} members")


class DnsResolver(aiohttp.ThreadedResolver):
    """Resolver with a time-out; a look-up beyond it holds its thread until the system's own time-out."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self._seconds = seconds

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Return a host's addresses.

        Raises:
            OSError: it has none, or DNS did not answer in time.
        """
        try:
            return await asyncio.wait_for(super().resolve(host, port, family), self._seconds)
        except TimeoutError:
            raise OSError(f"no answer for {host} within {self._seconds:g} s") from None


def add_threads(number: int) -> None:
    """Give the event loop `number` threads for DNS look-ups; names without an answer soon hold asyncio's few."""
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(number, thread_name_prefix="names"))


class AiohttpHandler(BaseDownloadHandler):
    """Downloads over one pool of connections without a limit: the dispatcher limits how many checks run."""

    lazy = True  # aiohttp needs a running event loop; `scrapy shell` makes its engine before there is one
    middlewares: ClassVar[tuple[ClientMiddlewareType, ...]] = ()
    names: ClassVar[type[DnsResolver]] = DnsResolver

    def __init__(self, crawler: Crawler) -> None:
        super().__init__(crawler)
        given = crawler.settings
        self._seconds = given.getfloat("DOWNLOAD_TIMEOUT")
        self._largest = given.getint("DOWNLOAD_MAXSIZE")
        add_threads(given.getint("REACTOR_THREADPOOL_MAXSIZE"))
        names = self.names(given.getfloat("DNS_TIMEOUT"))
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, resolver=names),
            cookie_jar=aiohttp.DummyCookieJar(),  # each check has its own
            auto_decompress=False,  # `unpack_response` proves the page whole
            skip_auto_headers=UNASKED,
            middlewares=self.middlewares,
            timeout=_UNWATCHED,
        )
        # When a connection is lost, aiohttp would repeat the request, which no budget counts. There is no public
        # switch; aiohttp's own test client sets this one, too.
        self._session._retry_connection = False  # noqa: SLF001

    async def download_request(self, request: Request) -> Response:
        """Send a request and return the whole response, within the request's `download_timeout` (seconds).

        Raises:
            TimeoutError: it took longer.
            crawler.fetching.errors.TooLarge: the response is larger than DOWNLOAD_MAXSIZE.
            crawler.fetching.errors.ProxyFailed: the request's proxy is at fault.
            crawler.fetching.errors.NoHTTP: the response is not valid HTTP.
            aiohttp.ClientError, OSError: any other failure (crawler/fetching/errors.py).
        """
        try:
            if "proxy" in request.meta:
                return await ask_by_proxy(self._ask_in_time, request)
            return await self._ask_in_time(request)
        except aiohttp.ClientResponseError as error:
            raise NoHTTP(" ".join(error.message.split())) from None

    async def close(self) -> None:
        """Drop all connections."""
        await self._session.close()

    def _seconds_left(self, request: Request) -> float:
        return float(request.meta.get("download_timeout", self._seconds))

    async def _ask_in_time(self, request: Request) -> Response:
        async with asyncio.timeout(self._seconds_left(request)):
            return await self._ask(request)

    async def _ask(self, request: Request) -> Response:
        async with self._session.request(
            request.method,
            URL(request.url, encoded=True),  # Scrapy has quoted it
            data=request.body or None,
            headers=spell_headers(request),
            allow_redirects=False,
            proxy=request.meta.get("proxy"),
            timeout=_BY_PROXY if "proxy" in request.meta else _UNWATCHED,
        ) as answer:
            return await read_answer(answer, request.url, self._largest)


def spell_headers(request: Request) -> list[tuple[str, str]]:
    """Return the headers to send: those of meta[HEADERS], with what the session adds; else Scrapy's own."""
    spelled: list[tuple[str, str]] | None = request.meta.get(HEADERS)
    if spelled is None:
        return request.headers.to_tuple_list()
    added = ((name, request.headers.get(name)) for name in ("Cookie", "Host"))
    return spelled + [(name, value.decode()) for name, value in added if value]


async def read_answer(answer: aiohttp.ClientResponse, url: str, largest: int) -> Response:
    """Read an answer to its end and return it as Scrapy's; `largest` is in bytes.

    Raises:
        crawler.fetching.errors.TooLarge: it is larger.
        aiohttp.ClientError: it broke off.
    """
    if (announced := answer.content_length or 0) > largest:
        raise TooLarge(f"{announced} bytes are announced, {largest} are read at most")
    body = b""
    async for chunk in answer.content.iter_any():
        body += chunk
        if len(body) > largest:
            raise TooLarge(f"there are more than {largest} bytes")
    headers = Headers(answer.raw_headers)  # in bytes: not every site writes UTF-8
    response = responsetypes.from_args(headers=headers, url=url, body=body)(
        url, status=answer.status, body=body
    )
    response.headers = headers  # given to it, they would all be copied
    return response


async def send_request(crawler: Crawler, request: Request, *, way: str | None = None) -> Response:
    """Send a request through a crawl's middlewares and handler, past its engine's queue; return the response.

    `way`: the handler's name in DOWNLOAD_HANDLERS; None: that of the address's scheme. It saves CPU: for each request
    the engine makes two Deferreds, a task and a signal, and the manager of middlewares a coroutine for each call. Our
    middlewares only look at requests.

    Raises:
        TypeError: a middleware returned a response or another request.
    """
    downloader = crawler.engine.downloader
    for look_at in downloader.middleware.methods["process_request"]:
        if look_at and (instead := look_at(request=request)) is not None:
            raise TypeError(f"a middleware answers {request} by {instead}: a check follows redirects itself")
    handler = downloader.handlers._get_handler(way or request.url.partition(":")[0])  # noqa: SLF001 -- there is no public way
    ask = handler.download_request if handler else downloader.handlers.download_request_async
    answer = await ask(request)
    log.debug("%d %s %s", answer.status, request.method, request.url)
    return answer
