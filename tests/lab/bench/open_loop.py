"""Load generator: requests at a constant rate in an open loop, or as fast as they are answered.

In an open loop a request is sent when it is due, whether earlier ones have been answered or not. Its latency counts
from then, so that a server that stalls is charged with all the requests that waited: hey and locust hide that
(https://www.scylladb.com/2021/04/22/on-coordinated-omission/).
"""

import asyncio
import math
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from tests.lab.bench.figures import percentile

Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass(frozen=True, slots=True)
class Reply:
    """A response: its status, headers in lower case, body, and the seconds since its request was due."""

    status: int
    headers: bytes
    body: bytes
    seconds: float


@dataclass
class LoadGenerator:
    """Connections to one server on loopback, each used again when it is free."""

    port: int
    patience: float = 30.0  # seconds for an answer
    free: list[Stream] = field(default_factory=list)

    async def run_open(self, requests: Iterator[bytes], rate: float, seconds: float) -> list[Reply]:
        """Send so many requests a second; return all replies. One that fails has the status 0."""
        began = time.monotonic()
        tasks = []
        for number in range(round(rate * seconds)):
            due = began + number / rate
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            tasks.append(asyncio.create_task(self.ask(next(requests), due)))
        return list(await asyncio.gather(*tasks))

    async def run_closed(
        self, requests: Iterable[bytes], at_once: int, seconds: float = math.inf
    ) -> list[Reply]:
        """Send a request when the one before is answered, in so many lines at once: all, or for so many seconds."""
        end, waiting, replies = time.monotonic() + seconds, iter(requests), list[Reply]()

        async def line() -> None:
            while time.monotonic() < end and (request := next(waiting, None)):
                replies.append(await self.ask(request, time.monotonic()))

        await asyncio.gather(*(line() for _ in range(at_once)))
        return replies

    async def ask(self, request: bytes, due: float) -> Reply:
        """Send one request and read its response; again where the server closed an idle connection meanwhile."""
        for new in (False, True):
            with suppress(OSError, EOFError, TimeoutError):
                async with asyncio.timeout(self.patience), self._stream(new=new) as (reader, writer):
                    writer.write(request)
                    head = (await reader.readuntil(b"\r\n\r\n")).lower()
                    length = int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0] or 0)
                    body = await reader.readexactly(length)
                return Reply(int(head[9:12]), head, body, time.monotonic() - due)
        return Reply(0, b"", b"", time.monotonic() - due)

    @asynccontextmanager
    async def _stream(self, *, new: bool) -> AsyncIterator[Stream]:
        """Give a connection that is free, or a new one; one that fails is not used again."""
        while self.free and self.free[-1][0].at_eof():
            self.free.pop()[1].close()
        taken = self.free.pop() if self.free and not new else None
        stream = taken or await asyncio.open_connection("127.0.0.1", self.port)
        try:
            yield stream
        except BaseException:
            stream[1].close()
            raise
        self.free.append(stream)

    async def close(self) -> None:
        """Close all connections."""
        for _, writer in self.free:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()


def build_request(
    path: str, *, address: str, token: str = "", body: bytes = b"", headers: Mapping[str, str] | None = None
) -> bytes:
    """Return a request as bytes: a GET, or a POST of JSON. `address`: the network address that the API shall see."""
    lines = [
        f"{'POST' if body else 'GET'} {path} HTTP/1.1",
        "Host: 127.0.0.1",
        f"X-Forwarded-For: {address}",
        *(f"{name}: {value}" for name, value in (headers or {}).items()),
        *([f"Authorization: Bearer {token}"] if token else []),
        *(["Content-Type: application/json", f"Content-Length: {len(body)}"] if body else []),
    ]
    return "\r\n".join([*lines, "", ""]).encode() + body


def describe_replies(replies: Sequence[Reply]) -> str:
    """Return how many came with which status, and how long they took."""
    seconds = [each.seconds for each in replies]
    said = ", ".join(
        f"p{percent} {1000 * percentile(seconds, percent):.1f} ms" for percent in (50, 95, 99, 100)
    )
    statuses = ", ".join(
        f"{many} of {status}" for status, many in Counter(each.status for each in replies).items()
    )
    return f"{len(replies)} reads ({statuses}): {said}"
