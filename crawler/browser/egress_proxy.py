"""Egress proxy: a check's only way to the network, a proxy on loopback that opens allowed addresses only.

All traffic of a page passes through it: sub-resources, redirects, frames, workers and sockets. Names are resolved
here only, and the browser is started without another way to the network (`ONLY_WAY`). Playwright's own routing is not
enough: it misses redirects, workers' sockets and WebRTC (measured; docs/decisions.md#browser-egress-proxy).
"""

import asyncio
from asyncio import StreamReader, StreamWriter
from base64 import b64encode
from collections.abc import Coroutine, Iterator
from contextlib import closing, suppress
from typing import Any, NamedTuple
from urllib.parse import SplitResult, unquote, urlsplit

from aiohttp.abc import ResolveResult

from configs.ground.hosts import host_of, resolve_stand_in
from configs.settings import settings
from crawler.fetching.decompression import TooLarge
from crawler.fetching.download_handler import DnsResolver
from crawler.fetching.errors import ProxyFailed
from crawler.fetching.ssrf_guard import refuse_private
from crawler.url_policy import AddressRefused, ensure_allowed

# No names resolve except the proxy's own address, WebRTC cannot bypass the proxy, and loopback goes through the proxy,
# too (Playwright adds that option).
ONLY_WAY = [
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
    "--webrtc-ip-handling-policy=disable_non_proxied_udp",
    "--force-webrtc-ip-handling-policy=disable_non_proxied_udp",  # its name in older ones
    "--dns-prefetch-disable",
    "--disable-blink-features=SharedWorker",  # no route sees what one asks
]
_HEAD = 64 * 1024  # bytes of a request's head
_CHUNK = 64 * 1024
_CONNECT_SECONDS = 20
_LARGEST = 20_000_000  # bytes that a check's page may receive in all
_HOP_BY_HOP = (b"connection", b"proxy-connection", b"proxy-authorization", b"keep-alive")  # RFC 9110, 7.6.1


class _Head(NamedTuple):
    method: str
    url: SplitResult
    headers: list[bytes]

    @property
    def host(self) -> str:
        return host_of(self.url.geturl())

    @property
    def length(self) -> int:
        """Return the size of the body; browsers send no chunked bodies through a proxy."""
        values = [
            line.partition(b":")[2] for line in self.headers if line.lower().startswith(b"content-length:")
        ]
        return int(values[0]) if values else 0


class EgressProxy:
    """The proxy of one check. `troubles` are connection errors by host (`name:port`).

    `via` is an upstream proxy for all traffic (http://user:password@host:port); None: no upstream proxy. `names`
    resolves the page's hosts, `vias` the upstream proxy's, which an operator chose and may be in a private network.
    """

    def __init__(self, names: DnsResolver, vias: DnsResolver) -> None:
        self.troubles: dict[str, Exception] = {}
        self.via: str | None = None
        self._names, self._vias = names, vias
        self._left = _LARGEST
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.Task[None]] = set()

    async def open(self) -> str:
        """Listen on a free port of loopback; return the proxy's address."""
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", limit=_HEAD)
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    def close(self) -> None:
        """Stop listening and close all connections."""
        if self._server:
            self._server.close()
        for task in self._open:
            task.cancel()

    def _accept(self, reader: StreamReader, writer: StreamWriter) -> None:
        task = asyncio.ensure_future(
            self._serve(reader, writer)
        )  # a task of asyncio's server would log its cancellation
        self._open.add(task)
        task.add_done_callback(self._open.discard)

    async def _serve(self, reader: StreamReader, writer: StreamWriter) -> None:
        with (
            closing(writer),
            suppress(OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError),
        ):
            head = _parse_head(await reader.readuntil(b"\r\n\r\n"))
            await self._pass(head, reader, writer)

    async def _pass(self, head: _Head, reader: StreamReader, writer: StreamWriter) -> None:
        """Forward one request, or the bytes of a tunnel until one side ends."""
        tunnel = head.method == "CONNECT"
        try:
            theirs, ours = await self._connect(head, tunnel=tunnel)
        except (AddressRefused, OSError, ProxyFailed) as trouble:
            self.troubles.setdefault(head.host, trouble)
            return
        with closing(ours):
            if tunnel:
                writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
                await _either(_pump(reader, ours), self._receive(head, theirs, writer))
                return
            ours.writelines(_forward_head(head, whole=self.via is not None, key=_key(self.via)))
            ours.write(await reader.readexactly(head.length))
            await self._receive(head, theirs, writer)

    async def _receive(self, head: _Head, theirs: StreamReader, writer: StreamWriter) -> None:
        """Pass on what a host sends, as far as the check may receive it."""
        while chunk := await theirs.read(_CHUNK):
            self._left -= len(chunk)
            if self._left < 0:
                self.troubles.setdefault(
                    head.host, TooLarge(f"a check's page receives {_LARGEST} bytes at most")
                )
                return
            writer.write(chunk)
            await writer.drain()

    async def _connect(self, head: _Head, *, tunnel: bool) -> tuple[StreamReader, StreamWriter]:
        """Return a connection to a host, to its stand-in, or to the upstream proxy.

        Raises:
            AddressRefused: the host may not be asked.
            OSError: it cannot be reached.
            ProxyFailed: the upstream proxy failed.
        """
        refuse_private(head.url.geturl())
        if self.via:
            ensure_allowed(self.via, settings())
        wired = urlsplit(resolve_stand_in(head.url.geturl(), settings().sandbox_hosts))
        if tunnel and wired.netloc != head.url.netloc and head.url.port == 443:  # noqa: PLR2004 -- HTTPS
            raise OSError(f"{wired.netloc}, the stand-in of {head.url.hostname}, speaks no TLS")
        if not self.via:
            return await _dial(self._names, wired)
        await _resolve(
            self._names, wired
        )  # the upstream proxy would ask a private address that has a public name
        try:
            theirs, ours = await _dial(self._vias, urlsplit(self.via))
        except OSError as error:
            raise ProxyFailed(f"does not answer: {error}") from error
        if tunnel:
            try:
                await _through(theirs, ours, head.host, _key(self.via))
            except ProxyFailed:
                ours.close()
                raise
        return theirs, ours


async def _resolve(names: DnsResolver, url: SplitResult) -> list[ResolveResult]:
    name, _, port = host_of(url.geturl()).rpartition(":")
    return await names.resolve(name, int(port))


async def _dial(names: DnsResolver, url: SplitResult) -> tuple[StreamReader, StreamWriter]:
    trouble: OSError = OSError(f"{url.hostname} has no address")
    for each in await _resolve(names, url):
        try:
            return await asyncio.wait_for(
                asyncio.open_connection(each["host"], each["port"]), _CONNECT_SECONDS
            )
        except (OSError, TimeoutError) as error:
            trouble = error
    raise trouble


def _key(via: str | None) -> bytes:
    """Return the authorization header for the upstream proxy, empty without credentials."""
    parts = urlsplit(via or "")
    if parts.username is None:
        return b""
    pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}".encode()
    return b"Proxy-Authorization: Basic " + b64encode(pair) + b"\r\n"


def _parse_head(raw: bytes) -> _Head:
    """Parse the head of a proxy request; ValueError for anything else."""
    line, *headers = raw[:-4].split(b"\r\n")
    method, target, _ = line.decode("ascii").split(" ")
    url = urlsplit(f"https://{target}" if method == "CONNECT" else target)
    if not url.hostname or (method == "CONNECT" and not url.port):
        raise ValueError(f"no proxy is asked for {target}")
    if method == "CONNECT" and url.port == 80:  # noqa: PLR2004 -- a socket without TLS
        url = url._replace(scheme="http")
    return _Head(method, url, headers)


def _forward_head(head: _Head, *, whole: bool, key: bytes) -> Iterator[bytes]:
    """Yield the head for the server (`whole`: for the upstream proxy); the connection serves one request."""
    path = head.url._replace(scheme="", netloc="", fragment="").geturl() or "/"
    target = head.url.geturl() if whole else path if path.startswith("/") else f"/{path}"
    yield f"{head.method} {target} HTTP/1.1\r\n".encode("ascii")
    for line in head.headers:
        if line.partition(b":")[0].strip().lower() not in _HOP_BY_HOP:
            yield line + b"\r\n"
    yield key + b"Connection: close\r\n\r\n"


async def _through(theirs: StreamReader, ours: StreamWriter, host: str, key: bytes) -> None:
    """Open a tunnel to a host through the upstream proxy.

    Raises:
        ProxyFailed: it refuses.
    """
    ours.write(f"CONNECT {host} HTTP/1.1\r\nHost: {host}\r\n".encode("ascii") + key + b"\r\n")
    try:
        said = (await theirs.readuntil(b"\r\n\r\n")).split(b"\r\n")[0].decode("latin-1")
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
        raise ProxyFailed("broke off") from error
    if said.split(" ")[1:2] != ["200"]:
        raise ProxyFailed(f"answers {said[:100]}")


async def _pump(source: StreamReader, sink: StreamWriter) -> None:
    while chunk := await source.read(_CHUNK):
        sink.write(chunk)
        await sink.drain()


async def _either(*ways: Coroutine[Any, Any, None]) -> None:
    """Run all coroutines until the first ends."""
    tasks = [asyncio.create_task(way) for way in ways]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
