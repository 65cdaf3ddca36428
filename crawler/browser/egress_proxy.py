"""Egress proxy: a check's only way to the network, a SOCKS proxy on loopback that opens allowed addresses only.

All traffic of a page passes through it: sub-resources, redirects, frames, workers and sockets. Names are resolved
here only, and the browser is started without another way to the network (`ONLY_WAY`). Playwright's own routing is not
enough: it misses redirects, workers' sockets and WebRTC (measured; docs/decisions.md#browser-egress-proxy).
Browsers name the host and send no password: https://www.rfc-editor.org/rfc/rfc1928
"""

import asyncio
from asyncio import StreamReader, StreamWriter
from base64 import b64encode
from contextlib import closing, suppress
from urllib.parse import SplitResult, unquote, urlsplit

from aiohttp.abc import ResolveResult

from configs.ground.addresses import host_of, resolve_stand_in
from configs.settings import settings
from crawler.fetching.download_handler import DnsResolver
from crawler.fetching.errors import ProxyFailed, TooLarge
from crawler.fetching.ssrf_guard import PublicNames, refuse_private
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
_CHUNK = 64 * 1024
_CONNECT_SECONDS = 20
_LARGEST = 20_000_000  # bytes that a check's page may receive in all
_NO_PASSWORD = b"\5\0"
_OPENED, _NO_WAY = (bytes((5, code, 0, 1, 0, 0, 0, 0, 0, 0)) for code in (0, 4))  # 4: the host is unreachable
_HTTPS = 443


class EgressProxy:
    """The proxy of one check. `troubles` are connection errors by host (`name:port`).

    `via` is an upstream proxy for all traffic (http://user:password@host:port); None: no upstream proxy. An operator
    chose it, so that it may be in a private network, as the page's hosts may not. Look-ups may take so many `seconds`.
    """

    def __init__(self, seconds: float) -> None:
        self.troubles: dict[str, Exception] = {}
        self.via: str | None = None
        self._names, self._vias = PublicNames(seconds), DnsResolver(seconds)
        self._left = _LARGEST
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.Task[None]] = set()

    async def open(self) -> str:
        """Listen on a free port of loopback; return the proxy's address."""
        self._server = await asyncio.start_server(self._accept, "127.0.0.1")
        return f"socks5://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    def close(self) -> None:
        """Stop listening and close all connections."""
        if self._server:
            self._server.close()
        for task in self._open:
            task.cancel()

    def _accept(self, reader: StreamReader, writer: StreamWriter) -> None:
        # A task of asyncio's server would log its cancellation.
        task = asyncio.ensure_future(self._serve(reader, writer))
        self._open.add(task)
        task.add_done_callback(self._open.discard)
        task.add_done_callback(lambda _: writer.close())  # also where it was cancelled before it began

    async def _serve(self, reader: StreamReader, writer: StreamWriter) -> None:
        """Open one connection and pass bytes on until one side ends."""
        with suppress(OSError, asyncio.IncompleteReadError, ValueError):
            url = await _read_target(reader, writer)
            try:
                theirs, ours = await self._connect(url)
            except (AddressRefused, OSError, ProxyFailed) as trouble:
                self.troubles.setdefault(host_of(url), trouble)
                writer.write(_NO_WAY)
                return
            writer.write(_OPENED)
            sending = asyncio.create_task(_send(reader, ours))
            try:
                await self._receive(host_of(url), theirs, writer)
            finally:
                sending.cancel()
                ours.close()

    async def _receive(self, host: str, theirs: StreamReader, writer: StreamWriter) -> None:
        """Pass on what a host sends, as far as the check may receive it."""
        while chunk := await theirs.read(_CHUNK):
            self._left -= len(chunk)
            if self._left < 0:
                self.troubles.setdefault(host, TooLarge(f"a check's page receives {_LARGEST} bytes at most"))
                return
            writer.write(chunk)
            await writer.drain()

    async def _connect(self, url: str) -> tuple[StreamReader, StreamWriter]:
        """Return a connection to a host, to its stand-in, or to the upstream proxy.

        Raises:
            AddressRefused: the host may not be asked.
            OSError: it cannot be reached.
            ProxyFailed: the upstream proxy failed.
        """
        refuse_private(url)
        if self.via:
            ensure_allowed(self.via, settings())
        wired = resolve_stand_in(url, settings().sandbox_hosts)
        if wired != url and url.startswith("https"):
            raise OSError(
                f"{urlsplit(wired).netloc}, the stand-in of {urlsplit(url).hostname}, speaks no TLS"
            )
        if not self.via:
            return await _dial(self._names, wired)
        await _resolve(self._names, wired)  # the proxy would ask a private address that has a public name
        try:
            theirs, ours = await _dial(self._vias, self.via)
        except OSError as error:
            raise ProxyFailed(f"does not answer: {error}") from error
        try:
            await _through(theirs, ours, host_of(url), urlsplit(self.via))
        except ProxyFailed:
            ours.close()
            raise
        return theirs, ours


async def _read_target(reader: StreamReader, writer: StreamWriter) -> str:
    """Return the address of the host and port that a browser asks for; ValueError for anything else."""
    version, methods = await reader.readexactly(2)
    await reader.readexactly(methods)
    writer.write(_NO_PASSWORD)
    head = await reader.readexactly(4)
    if version != head[0] or head != b"\5\1\0\3":
        raise ValueError("no browser asks so")
    (length,) = await reader.readexactly(1)
    host = (await reader.readexactly(length)).decode("ascii")
    port = int.from_bytes(await reader.readexactly(2))
    scheme, name = "https" if port == _HTTPS else "http", f"[{host}]" if ":" in host else host
    return f"{scheme}://{name}:{port}"


async def _resolve(names: DnsResolver, url: str) -> list[ResolveResult]:
    name, _, port = host_of(url).rpartition(":")
    return await names.resolve(name, int(port))


async def _dial(names: DnsResolver, url: str) -> tuple[StreamReader, StreamWriter]:
    trouble: OSError = OSError(f"{host_of(url)} has no address")
    for each in await _resolve(names, url):
        try:
            return await asyncio.wait_for(
                asyncio.open_connection(each["host"], each["port"]), _CONNECT_SECONDS
            )
        except (OSError, TimeoutError) as error:
            trouble = error
    raise trouble


async def _through(theirs: StreamReader, ours: StreamWriter, host: str, via: SplitResult) -> None:
    """Open a tunnel to a host through the upstream proxy.

    Raises:
        ProxyFailed: it refuses.
    """
    ask = f"CONNECT {host} HTTP/1.1\r\nHost: {host}\r\n"
    if via.username is not None:
        pair = f"{unquote(via.username)}:{unquote(via.password or '')}".encode()
        ask += f"Proxy-Authorization: Basic {b64encode(pair).decode()}\r\n"
    ours.write(f"{ask}\r\n".encode("ascii"))
    try:
        said = (await theirs.readuntil(b"\r\n\r\n")).split(b"\r\n")[0].decode("latin-1")
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, OSError) as error:
        raise ProxyFailed("broke off") from error
    if said.split(" ")[1:2] != ["200"]:
        raise ProxyFailed(f"answers {said[:100]}")


async def _send(reader: StreamReader, ours: StreamWriter) -> None:
    """Pass on what the browser sends; where that ends, so does what is received."""
    with closing(ours), suppress(OSError):
        while chunk := await reader.read(_CHUNK):
            ours.write(chunk)
            await ours.drain()
