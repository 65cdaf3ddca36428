"""Live notices by Server-Sent Events: a small ASGI program, `python -m api.stream`. No Flask.

An event says that a notice came; which one, its client asks the API. https://html.spec.whatwg.org/multipage/server-sent-events.html
"""

import configs  # noqa: F401 -- first: it imports structlog without Rich and Twisted

# isort: split
import argparse
import asyncio
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from api.streaming.database import DatabaseAway, Reader
from api.streaming.hub import NoticeHub, NoticeStream, mark_begin, read_recent
from api.streaming.sign_in import COOKIE, read_login
from configs.ground.connection_limits import check_connections
from configs.ground.contact_addresses import group_network_address
from configs.ground.database import database_url
from configs.ground.logs import set_up_logs
from configs.ground.startup import exit_on_config_error
from configs.settings import settings

HEARTBEAT_SECONDS = 15.0
_PER_ADDRESS, _PER_PERSON = 50, 10
_RETRY = "retry: 2000\n\n"  # milliseconds after which a browser comes back
_EVENT = "event: notice\ndata: {}\n\n"
_BEARER = "bearer "
_OWN = {"same-origin", "none"}  # of Sec-Fetch-Site: without an Origin, no other site asks
_LATER = {429, 503}  # statuses after which a client may try again
_MOST_CONNECTIONS = 2000
_HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no", "X-Content-Type-Options": "nosniff"}


class StreamServer:
    """The routes, and what they share."""

    def __init__(self) -> None:
        self.reader = Reader()
        self.hub = NoticeHub(self.reader)
        self._open = Counter[object]()  # streams by address and by person

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
        if not _is_own_page(request):
            return _refuse(request, 403, "foreign-origin", "streams are for pages of this site")
        return await self._answer(request, request.cookies.get(COOKIE, ""))

    async def stream_to_client(self, request: Request) -> Response:
        """Answer a client of the API, by its Authorization header."""
        if request.headers.get("origin") not in (None, _name_origin("frontend_url"), _name_origin("api_url")):
            return _refuse(request, 403, "foreign-origin", "streams are for the front end")
        if request.method == "OPTIONS":
            return _allow(request, Response(status_code=204))
        given = request.headers.get("authorization", "")
        token = given[len(_BEARER) :] if given.lower().startswith(_BEARER) else ""
        return await self._answer(request, token)

    async def _answer(self, request: Request, token: str) -> Response:
        address = _find_address(request)
        if self._open[address] >= _PER_ADDRESS:
            return _refuse(request, 429, "too-many-streams", "close streams of this address, then try again")
        self._open[address] += 1
        stream: NoticeStream | None = None
        try:
            login = await asyncio.to_thread(read_login, self.reader, token) if token else None
            if login is None:
                return _refuse(request, 401, "not-signed-in", "log in, then open the stream again")
            user_id = login.user_id
            known = await asyncio.to_thread(read_recent, self.reader, [user_id], mark_begin())
            if self._open[user_id] >= _PER_PERSON:
                return _refuse(request, 429, "too-many-streams", "close other pages, then try again")
            stream = NoticeStream(login, address, known.get(user_id, set()))
        except DatabaseAway:
            return _refuse(request, 503, "unavailable", "something we need does not answer: try again")
        finally:
            if stream is None:
                self._forget(address)
        self._open[user_id] += 1
        self.hub.join(stream)
        return _allow(request, NoticeResponse(self, stream))

    def close(self, stream: NoticeStream) -> None:
        """Forget a stream that ended."""
        self.hub.leave(stream)
        self._forget(stream.address)
        self._forget(stream.login.user_id)

    def _forget(self, key: object) -> None:
        self._open -= Counter([key])  # which keeps no zeros


class NoticeResponse(StreamingResponse):
    """The events of one stream, until its client or its login leaves."""

    def __init__(self, server: StreamServer, stream: NoticeStream) -> None:
        super().__init__(write_events(stream), media_type="text/event-stream", headers=_HEADERS)
        self._server, self._stream = server, stream

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the events; the stream is forgotten however that ends."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._server.close(self._stream)


async def write_events(stream: NoticeStream) -> AsyncIterator[str]:
    """Yield an event for each notice that comes; comments keep the connection open."""
    yield _RETRY
    while not stream.is_over:
        while stream.waiting and not stream.is_over:
            stream.waiting -= 1
            yield _EVENT
        stream.fresh.clear()
        try:
            async with asyncio.timeout(HEARTBEAT_SECONDS):
                await stream.fresh.wait()
        except TimeoutError:
            yield ":\n\n"


def _find_address(request: Request) -> str:
    """Return the network address to count a client by, behind as many proxies as PROXY_HOPS says: of IPv6 its /64."""
    hops = settings().proxy_hops or 0
    named = [each.strip() for each in request.headers.get("x-forwarded-for", "").split(",") if each.strip()]
    if hops and len(named) >= hops:
        return group_network_address(named[-hops])
    return group_network_address(request.client.host) if request.client else "nobody"


def _name_origin(setting: str) -> str:
    parts = urlsplit(str(getattr(settings(), setting)).rstrip("/"))
    return f"{parts.scheme}://{parts.netloc}"


def _is_own_page(request: Request) -> bool:
    """Whether one of our pages asks, or no page at all: its cookie may be read."""
    origin = request.headers.get("origin")
    if origin is None:
        return request.headers.get("sec-fetch-site", "none") in _OWN
    return origin == _name_origin("api_url")


def _allow(request: Request, response: Response) -> Response:
    """Let the page that asks read the answer; the origins of others were refused before."""
    response.headers["Vary"] = "Origin"
    if origin := request.headers.get("origin"):
        response.headers["Access-Control-Allow-Origin"] = origin
        response.headers["Access-Control-Allow-Credentials"] = "true"
        response.headers["Access-Control-Allow-Headers"] = "Authorization"
    return response


def _refuse(request: Request, status: int, word: str, detail: str) -> Response:
    body = {"type": f"/problems/{word}", "title": word, "status": status, "detail": detail}
    headers = {"Cache-Control": "no-store"} | ({"Retry-After": "30"} if status in _LATER else {})
    made = JSONResponse(body, status, headers, media_type="application/problem+json")
    return made if word == "foreign-origin" else _allow(request, made)


def create_app() -> Starlette:
    """Return the program that uvicorn serves."""
    server = StreamServer()
    routes = [
        Route("/live/notices", server.stream_to_page, methods=["GET"]),
        Route("/api/notices/stream", server.stream_to_client, methods=["GET", "OPTIONS"]),
        Route("/live/alive", lambda _: Response("ok\n", media_type="text/plain"), methods=["GET"]),
    ]
    return Starlette(routes=routes, lifespan=server.run)


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
