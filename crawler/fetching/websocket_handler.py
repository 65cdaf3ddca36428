"""Scrapy download handler for `ws://` and `wss://`: one message is sent, the frames that come back are one body.

It shares the HTTP handler's client (crawler/fetching/download_handler.py), so time-outs, errors, names and TLS are the
same. A handshake that is refused comes back as the plain HTTP answer that it is.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from socket import SHUT_RDWR

from aiohttp import (
    ClientHandlerType,
    ClientPayloadError,
    ClientRequest,
    ClientResponse,
    ClientWebSocketResponse,
    ClientWSTimeout,
    WSMsgType,
)
from scrapy import Request
from scrapy.http import Response, TextResponse
from yarl import URL

from crawler.fetching.download_handler import AiohttpHandler, read_answer, spell_headers
from crawler.parsing.websocket_frames import CUT_OFF, body_of

SWITCHED = 101  # the status of a handshake that was accepted
_PLAIN_ENDS = (None, 1000, 1001, 1005)  # https://www.rfc-editor.org/rfc/rfc6455#section-7.4.1
_LOST = 1006
# Seconds that a server has to answer our close; nothing depends on it.
_GOODBYE = ClientWSTimeout(ws_close=0.5)
_CLOSES_WITHIN = 1.0  # seconds after a request's time-out: the close reads on while a server sends
_SPARE = 0.1  # seconds before the request's own time-out: what came until then is kept
_HTTP_ONLY = ("Content-Type", "Accept")  # headers that no browser sends with a handshake


class _HandshakeRefused(Exception):
    """The handshake was answered by something else than a socket; `answer` is still open."""

    def __init__(self, answer: ClientResponse) -> None:
        super().__init__(f"HTTP {answer.status}")
        self.answer = answer


async def _accept_socket_only(request: ClientRequest, send: ClientHandlerType) -> ClientResponse:
    """Let nothing but a socket through: aiohttp would follow redirects, to any host, and drop what was said."""
    answer = await send(request)
    if answer.status != SWITCHED:
        raise _HandshakeRefused(answer)
    return answer


class SocketHandler(AiohttpHandler):
    """A connection of its own for each request, closed as soon as its answer has ended."""

    middlewares = (_accept_socket_only,)

    async def _ask_in_time(self, request: Request) -> Response:
        async with asyncio.timeout(self._seconds_left(request) + _CLOSES_WITHIN):
            return await super()._ask_in_time(request)

    async def _ask(self, request: Request) -> Response:
        ends = asyncio.get_running_loop().time() + self._seconds_left(request) - _SPARE
        try:
            async with self._connect(request) as socket:
                await socket.send_str(request.body.decode())
                frames, why = await self._receive_frames(socket, request.meta.get("until", ""), ends)
        except _HandshakeRefused as refused:
            async with refused.answer as answer:
                return await read_answer(answer, request.url, self._largest)
        cut_off = {CUT_OFF: why} if why else {}
        kind = {"Content-Type": "application/x-ndjson; charset=utf-8"}
        return TextResponse(request.url, status=SWITCHED, headers=kind | cut_off, body=body_of(frames))

    @asynccontextmanager
    async def _connect(self, request: Request) -> AsyncIterator[ClientWebSocketResponse]:
        """Hold a connection for the block. It ends with the block, whatever the server has not read by then.

        asyncio alone keeps a closed connection until the server has read what was sent, which it may never do:
        https://docs.python.org/3/library/asyncio-protocol.html#asyncio.BaseTransport.close
        """
        connection = None
        try:
            async with self._session.ws_connect(
                URL(request.url, encoded=True),
                headers=[pair for pair in spell_headers(request) if pair[0] not in _HTTP_ONLY],
                timeout=_GOODBYE,
                max_msg_size=self._largest,
                proxy=request.meta.get("proxy"),
            ) as socket:
                connection = socket.get_extra_info("socket")
                yield socket
        finally:
            if connection:
                with suppress(OSError):  # it has ended
                    connection.shutdown(SHUT_RDWR)

    async def _receive_frames(
        self, socket: ClientWebSocketResponse, until: str, ends: float
    ) -> tuple[list[str], str | None]:
        """Return the frames that came until one holds `until`, and why they broke off (None: they came to an end).

        They break off where the server closes by another code, or there is no more time (`ends`, the loop's).

        Raises:
            aiohttp.ClientPayloadError: the connection was lost before anything came.
            TimeoutError: nothing came in time.
        """
        frames: list[str] = []
        size, loop = 0, asyncio.get_running_loop()
        try:
            # A frame of bytes ends the socket, too.
            while (said := await socket.receive(max(ends - loop.time(), 0.001))).type is WSMsgType.TEXT:
                frames.append(said.data)
                size += len(said.data.encode())
                if until and until in said.data:
                    return frames, None
                if size > self._largest:
                    return frames, f"there are more than {self._largest} bytes"
        except TimeoutError:
            if not frames:
                raise
            return frames, "the time was up"
        code = socket.close_code
        if code == _LOST and not frames:
            raise ClientPayloadError("the socket was lost before it said anything")
        return frames, None if code in _PLAIN_ENDS else f"the socket ended with code {code}"
