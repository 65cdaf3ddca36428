"""Live notices by Server-Sent Events: a small ASGI program, `python -m api.stream`. No Flask.

An event says that a notice came; which one, its client asks the API. https://html.spec.whatwg.org/multipage/server-sent-events.html
"""

import configs  # noqa: F401 -- first: it imports structlog without Rich and Twisted

# isort: split
import argparse
import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit

import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from api.network_addresses import group_network_address
from api.stream.logins import DatabaseAway, Reader, find_login
from api.stream.notice_hub import NoticeHub, NoticeStream, mark_begin
from configs.ground.database import database_url
from configs.ground.logs import set_up_logs
from configs.ground.signing import ACCESS_COOKIE
from configs.programs.startup import exit_on_config_error
from configs.settings import settings

HEARTBEAT_SECONDS = 15.0
_PAGES = "/live/notices"
_RETRY = "retry: 2000\n\n"  # milliseconds after which a browser comes back
_EVENT = "event: notice\ndata: {}\n\n"
_OWN = {"same-origin", "none"}  # of Sec-Fetch-Site: without an Origin, no other site asks
_LATER = {429, 503}  # statuses after which a client may try again
_MOST_CONNECTIONS = 2000
_HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no", "X-Content-Type-Options": "nosniff"}


class StreamServer:
    """The routes, and what they share."""

    def __init__(self) -> None:
        self.reader = Reader()
        self.hub = NoticeHub(self.reader)

    @asynccontextmanager
    async def run(self, _: Starlette) -> AsyncIterator[None]:
        """Serve the streams while the program runs."""
        task = asyncio.create_task(self.hub.run())
        try:
            yield
        finally:
            self.hub.is_over = True
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
            self.reader.close()

    async def answer(self, request: Request) -> Response:
        """Answer one of our pages, by its cookie, or a client of the API, by its Authorization header."""
        is_page = request.scope["path"] == _PAGES
        if not _may_ask(request, is_page=is_page):
            return _refuse(403, "foreign-origin", "streams are for pages of this site and the front end")
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        token = (
            request.cookies.get(ACCESS_COOKIE, "") if is_page else given if scheme.lower() == "bearer" else ""
        )
        begin = mark_begin()
        try:
            login = await asyncio.to_thread(find_login, self.reader, token, begin)
        except DatabaseAway:
            return _refuse(503, "unavailable", "something we need does not answer: try again")
        if login is None:
            return _refuse(401, "not-signed-in", "log in, then open the stream again")
        stream = NoticeStream(login, _find_address(request), begin)
        if not self.hub.join(stream):
            return _refuse(429, "too-many-streams", "close other pages, then try again")
        return NoticeResponse(self.hub, stream)


class NoticeResponse(StreamingResponse):
    """The events of one stream, until its client or its login leaves."""

    def __init__(self, hub: NoticeHub, stream: NoticeStream) -> None:
        super().__init__(write_events(stream), media_type="text/event-stream", headers=_HEADERS)
        self._hub, self._stream = hub, stream

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the events; the stream is forgotten however that ends."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._hub.streams.discard(self._stream)


async def write_events(stream: NoticeStream) -> AsyncIterator[str]:
    """Yield an event when a notice came; comments keep the connection open."""
    yield _RETRY
    while not stream.is_over:
        try:
            async with asyncio.timeout(HEARTBEAT_SECONDS):
                await stream.fresh.wait()
        except TimeoutError:
            yield ":\n\n"
            continue
        stream.fresh.clear()
        if not stream.is_over:
            yield _EVENT


def _find_address(request: Request) -> str:
    """Return the network address to count a client by, behind as many proxies as PROXY_HOPS says: of IPv6 its /64."""
    hops = settings().proxy_hops or 0
    named = [each.strip() for each in request.headers.get("x-forwarded-for", "").split(",") if each.strip()]
    if hops and len(named) >= hops:
        return group_network_address(named[-hops])
    return group_network_address(request.client.host) if request.client else "nobody"


def _name_origin(address: str) -> str:
    parts = urlsplit(address.rstrip("/"))
    return f"{parts.scheme}://{parts.netloc}"


def _may_ask(request: Request, *, is_page: bool) -> bool:
    """Whether one of our pages asks, or no page at all: its cookie may be read."""
    origin = request.headers.get("origin")
    if origin is None:
        return not is_page or request.headers.get("sec-fetch-site", "none") in _OWN
    now = settings()
    return origin == _name_origin(now.api_url) or (not is_page and origin == _name_origin(now.frontend_url))


def _refuse(status: int, word: str, detail: str) -> Response:
    body = {"type": f"/problems/{word}", "title": word, "status": status, "detail": detail}
    headers = {"Cache-Control": "no-store"} | ({"Retry-After": "30"} if status in _LATER else {})
    return JSONResponse(body, status, headers, media_type="application/problem+json")


def create_app() -> Starlette:
    """Return the program that uvicorn serves."""
    server = StreamServer()
    routes = [
        Route(_PAGES, server.answer, methods=["GET"]),
        Route("/api/notices/stream", server.answer, methods=["GET"]),
        Route("/live/alive", lambda _: Response("ok\n", media_type="text/plain"), methods=["GET"]),
    ]
    origins = [_name_origin(settings().frontend_url), _name_origin(settings().api_url)]
    allow = Middleware(CORSMiddleware, origins, allow_headers=["Authorization"], allow_credentials=True)
    return Starlette(routes=routes, middleware=[allow], lifespan=server.run)


@exit_on_config_error("the live streams")
def main(given: list[str] | None = None) -> int:
    """Serve until told to stop; return 0."""
    parser = argparse.ArgumentParser(prog="python -m api.stream", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=settings().port)
    wanted = parser.parse_args(given)
    set_up_logs("stream")
    database_url()  # without an address it says so at once
    uvicorn.run(
        create_app(), host=wanted.host, port=wanted.port, log_config=None, access_log=False, proxy_headers=False,
        server_header=False, limit_concurrency=_MOST_CONNECTIONS, timeout_graceful_shutdown=2,
    )  # fmt: skip
    return 0


if __name__ == "__main__":
    sys.exit(main())
