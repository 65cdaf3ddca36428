"""A page server for measuring: EZBooking forms on many hosts, always full, answered from memory.

`python -m tests.lab.bench.pages HOSTS HANGING PORT` serves on that many loopback addresses until it is ended; the last
HANGING of them take requests and never answer. It does as little as an HTTP/1.1 server can, so that what is measured beside it is the crawler. The pages are the
sandbox's. GET /arrivals tells when the first page of which form of which host was asked since the last such request:
JSON, [host, form, seconds since 1970].
"""

import asyncio
import json
import re
import sys
import time
import urllib.request

from tests.running_sandbox import running

FORM = 48803
ACCEPTED = {"condition": "on", "nextButton": "Effectuer une demande de rendez-vous"}
_END = b"\r\n\r\n"
_PATH = re.compile(rb"(GET|POST) /booking/create/(\d+)/(\d) ")


def address(number: int) -> str:
    """Return the loopback address of the n-th host."""
    return f"127.81.{number // 250}.{number % 250 + 1}"


def first_page(number: int, hosts: int, port: int) -> str:
    """Return where the n-th desk's visit begins, when desks are dealt out to so many hosts."""
    return f"http://{address(number % hosts)}:{port}/booking/create/{FORM + number // hosts}"


def _pages() -> tuple[bytes, bytes]:
    """Return the conditions page and the no-slot page, as the sandbox's site shows them."""
    opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
    with running() as sandbox:
        base = f"{sandbox.site('77')}/booking/create/{FORM}"
        with opener.open(f"{base}/0") as answer:
            conditions = answer.read()
        with opener.open(f"{base}/0", data=b"condition=on&nextButton=Effectuer") as answer:
            return conditions, answer.read()


def _answer(status: str, body: bytes, *headers: str) -> bytes:
    lines = [
        f"HTTP/1.1 {status}",
        "Content-Type: text/html; charset=utf-8",
        f"Content-Length: {len(body)}",
        *headers,
    ]
    return "\r\n".join(lines).encode() + _END + body


class RecordedPages(asyncio.Protocol):
    """Answers: GET /0 the conditions, POST /0 a redirect to /2, GET /2 the no-slot page."""

    conditions = full = b""
    hanging: frozenset[str] = frozenset()
    arrivals: list[tuple[str, int, float]] = []  # noqa: RUF012 -- one list for all connections

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the connection to answer on."""
        assert isinstance(transport, asyncio.Transport)
        self._transport, self._held = transport, b""
        self._host = transport.get_extra_info("sockname")[0]

    def data_received(self, data: bytes) -> None:
        """Answer every whole request that has come."""
        self._held += data
        while (end := self._held.find(_END)) >= 0:
            head = self._held[:end].lower()
            _, _, rest = head.partition(b"content-length:")
            size = int(rest.split(b"\r\n", 1)[0]) if rest else 0
            if len(self._held) < end + len(_END) + size:
                return
            answer = self._choose(self._held[: self._held.index(b"\r\n")])
            if self._host not in self.hanging:
                self._transport.write(answer)
            self._held = self._held[end + len(_END) + size :]

    def _choose(self, line: bytes) -> bytes:
        asked = _PATH.match(line)
        if not asked:
            return self._take_arrivals()
        method, form, step = asked.groups()
        if method == b"POST":
            return _answer("302 Found", b"", f"Location: /booking/create/{int(form)}/2")
        if step == b"2":
            return self.full
        self.arrivals.append((self._host, int(form), time.time()))
        return self.conditions

    def _take_arrivals(self) -> bytes:
        told = json.dumps(self.arrivals).encode()
        self.arrivals.clear()
        return _answer("200 OK", told)


async def _serve(hosts: int, hanging: int, port: int) -> None:
    conditions, full = await asyncio.to_thread(_pages)
    RecordedPages.conditions = _answer("200 OK", conditions, "Set-Cookie: eZSESSID=bench; path=/")
    RecordedPages.full = _answer("200 OK", full)
    RecordedPages.hanging = frozenset(address(number) for number in range(hosts - hanging, hosts))
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        RecordedPages, [address(number) for number in range(hosts)], port, backlog=512
    )
    print("ready", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_serve(*map(int, sys.argv[1:4])))
