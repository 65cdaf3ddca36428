"""Live notices by Server-Sent Events: a small ASGI program, `python -m api.stream`. No Flask.

https://html.spec.whatwg.org/multipage/server-sent-events.html
"""

import configs  # noqa: F401 -- first: it imports structlog without Rich and Twisted

# isort: split
import argparse
import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from uuid import UUID

import structlog
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from api.streaming.bounds import StreamBounds, find_address, is_front_end, is_own_page
from api.streaming.database import DatabaseAway, Reader
from api.streaming.hub import NoticeHub, NoticeStream
from api.streaming.notice_reads import MOST, StreamedNotice, find_begin, mark_now, read_after
from api.streaming.sign_in import COOKIE, read_login
from configs.ground.connection_limits import check_connections
from configs.ground.database import database_url
from configs.ground.logs import set_up_logs
from configs.ground.startup import exit_on_config_error
from configs.settings import settings

HEARTBEAT_SECONDS = 15.0
_RETRY = "retry: 2000\n\n"  # milliseconds after which a browser comes back
_BEARER = "bearer "
_LATER = {429, 503}  # statuses after which a client may try again
_MOST_CONNECTIONS = 2000
_HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no", "X-Content-Type-Options": "nosniff"}

log = structlog.get_logger(__name__)


class StreamServer:
    """The routes, and what they share."""

    def __init__(self) -> None:
        self.reader = Reader()
        self.hub = NoticeHub(self.reader)
        self.bounds = StreamBounds()

    @asynccontextmanager
    async def run(self, _: Starlette) -> AsyncIterator[None]:
        """Serve the streams while the program runs."""
        task = asyncio.create_task(self.hub.run())
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
            self.reader.close()

    async def stream_to_page(self, request: Request) -> Response:
        """Answer one of our pages, by its cookie."""
        if not is_own_page(request):
            return _refuse(403, "foreign-origin", "streams are for pages of this site")
        return await self._open(request, request.cookies.get(COOKIE, ""))

    async def stream_to_client(self, request: Request) -> Response:
        """Answer a client of the API, by its Authorization header."""
        if not is_front_end(request):
            return _refuse(403, "foreign-origin", "streams are for the front end")
        if request.method == "OPTIONS":
            return _allow(request, Response(status_code=204))
        given = request.headers.get("authorization", "")
        token = given[len(_BEARER) :] if given.lower().startswith(_BEARER) else ""
        return await self._open(request, token)

    async def _open(self, request: Request, token: str) -> Response:
        address = find_address(request)
        if not self.bounds.has_room(address):
            return _allow(
                request, _refuse(429, "too-many-streams", "close streams of this address, then try again")
            )
        self.bounds.take(address)
        stream: NoticeStream | None = None
        try:
            login = await asyncio.to_thread(read_login, self.reader, token) if token else None
            if login is None:
                return _allow(request, _refuse(401, "not-signed-in", "log in, then open the stream again"))
            if not self.bounds.has_room(login.user_id, per_person=True):
                return _allow(request, _refuse(429, "too-many-streams", "close other pages, then try again"))
            last = _read_last(request)
            since = last or mark_now()
            stream = NoticeStream(login, address, since, find_begin(since))
            self.bounds.take(login.user_id)
        except DatabaseAway:
            return _allow(
                request, _refuse(503, "unavailable", "something we need does not answer: try again")
            )
        finally:
            if stream is None:
                self.bounds.give_back(address)
        self.hub.join(stream)
        return _allow(request, NoticeResponse(self, stream, is_new=last is None))

    def close(self, stream: NoticeStream) -> None:
        """Forget a stream that ended."""
        self.hub.leave(stream)
        self.bounds.give_back(stream.address)
        self.bounds.give_back(stream.login.user_id)


class NoticeResponse(StreamingResponse):
    """The events of one stream, until its client or its login leaves."""

    def __init__(self, server: StreamServer, stream: NoticeStream, *, is_new: bool) -> None:
        super().__init__(
            write_events(server.reader, stream, is_new=is_new),
            media_type="text/event-stream",
            headers=_HEADERS,
        )
        self._server, self._stream = server, stream

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the events; the stream is forgotten however that ends."""
        try:
            async with asyncio.timeout(None) as self._stream.limit:
                await super().__call__(scope, receive, send)
        except TimeoutError:
            log.info("a stream was cut: its client does not read")
        finally:
            self._server.close(self._stream)


async def write_events(reader: Reader, stream: NoticeStream, *, is_new: bool) -> AsyncIterator[str]:
    """Yield what a client missed since its last event, then what comes; comments keep the connection open.

    What was written shortly before its last event comes once more: it may have been committed after it.
    A client that had no event yet is given an id all the same, so that it comes back with one.
    """
    greeting = f"id: {stream.since}\n{_RETRY}"
    if not is_new:
        yield greeting
    async for each in read_missed(reader, stream):
        if not is_new and each.id != stream.since and each.id not in stream.seen:
            yield write_event(each)
        stream.note(each.id)
    if is_new:  # not before: what is written once the client hears of us is new to it
        yield greeting
    while not stream.is_over:
        while stream.waiting:
            yield write_event(stream.waiting.popleft())
        try:
            async with asyncio.timeout(HEARTBEAT_SECONDS):
                await stream.fresh.wait()
        except TimeoutError:
            yield ":\n\n"
        stream.fresh.clear()


async def read_missed(reader: Reader, stream: NoticeStream) -> AsyncIterator[StreamedNotice]:
    """Yield what a client may have missed, the oldest first."""
    begin, is_full = stream.begin, True
    while is_full:
        try:
            missed = await asyncio.to_thread(read_after, reader, stream.login.user_id, begin)
        except DatabaseAway:
            stream.end()  # its client comes back
            return
        for each in missed:
            if stream.is_over:
                return
            yield each
        is_full = len(missed) == MOST
        begin = missed[-1].id if missed else begin


def write_event(notice: StreamedNotice) -> str:
    """Return one event; its id is the notice's."""
    return f"id: {notice.id}\nevent: notice\ndata: {notice.json}\n\n"


def _read_last(request: Request) -> UUID | None:
    """Return the last notice that the client has: by its header, or as its page was rendered."""
    given = request.headers.get("last-event-id") or request.query_params.get("after") or ""
    try:
        return UUID(given)
    except ValueError:
        return None


def _allow(request: Request, response: Response) -> Response:
    """Let the page that asks read the answer; the origins of others were refused before."""
    response.headers["Vary"] = "Origin"
    if origin := request.headers.get("origin"):
        response.headers["Access-Control-Allow-Origin"] = origin
        response.headers["Access-Control-Allow-Credentials"] = "true"
        response.headers["Access-Control-Allow-Headers"] = "Authorization, Last-Event-ID"
    return response


def _refuse(status: int, word: str, detail: str) -> Response:
    body = {"type": f"/problems/{word}", "title": word, "status": status, "detail": detail}
    headers = {"Cache-Control": "no-store"} | ({"Retry-After": "30"} if status in _LATER else {})
    return JSONResponse(body, status, headers, media_type="application/problem+json")


def create_app() -> Starlette:
    """Return the program that uvicorn serves."""
    server = StreamServer()
    routes = [
        Route("/live/notices", server.stream_to_page, methods=["GET"]),
        Route("/api/notices/stream", server.stream_to_client, methods=["GET", "OPTIONS"]),
        Route("/live/alive", answer_probe, methods=["GET"]),
    ]
    return Starlette(routes=routes, lifespan=server.run)


async def answer_probe(_: Request) -> Response:
    """Answer that the program runs."""
    return Response("ok\n", media_type="text/plain")


@exit_on_config_error("the live streams")
def main(given: list[str] | None = None) -> int:
    """Serve until told to stop; return 0."""
    parser = argparse.ArgumentParser(prog="python -m api.stream", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=settings().port)
    wanted = parser.parse_args(given)
    set_up_logs("stream")
    check_connections(database_url())
    uvicorn.run(
        create_app(), host=wanted.host, port=wanted.port, log_config=None, access_log=False, proxy_headers=False,
        server_header=False, limit_concurrency=_MOST_CONNECTIONS, timeout_graceful_shutdown=2,
    )  # fmt: skip
    return 0


if __name__ == "__main__":
    sys.exit(main())
