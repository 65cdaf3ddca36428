"""Live notices by Server-Sent Events: a small ASGI program, `python -m api.stream`. No Flask.

An event says that a notice came; which one, its client asks the API. https://html.spec.whatwg.org/multipage/server-sent-events.html
"""

import configs  # noqa: F401 -- first: it imports structlog without Rich and Twisted

# isort: split
import argparse
import asyncio
import sys
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from threading import Lock
from typing import Any, NamedTuple
from urllib.parse import urlsplit
from uuid import UUID

import jwt
import psycopg2
import structlog
import uvicorn
from psycopg2.extensions import connection as Connection  # noqa: N812 -- it is a class
from psycopg2.extras import register_uuid
from redis.asyncio import Redis
from redis.asyncio.client import PubSub
from redis.exceptions import RedisError
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import Receive, Scope, Send
from uuid_utils.compat import uuid7

from api.models.database_waits import wait_no_longer_than
from api.models.session_options import set_session_options
from api.network_addresses import group_network_address
from configs.ground.clock import clock
from configs.ground.database import DATABASE_SECONDS, database_url
from configs.ground.logs import set_up_logs
from configs.ground.signing import ACCESS_COOKIE, ISSUER, SKEW, STAFF_IDLE_SECONDS, find_signing_key
from configs.programs.loop_report import FRESH, NOTICES, STREAM, LoopReport
from configs.programs.startup import exit_on_config_error
from configs.settings import settings

# One loop reads logins and notices of all streams. Redis only says when to look (`notices`); without it the tables are
# read every POLL_SECONDS. By psycopg2 alone: SQLAlchemy and the records would be a third of the program's memory.
DatabaseAway = psycopg2.Error
_ALGORITHM = "HS256"
_LONGEST = 4096  # characters of a token
_LOGINS = """
SELECT l.id, u.id, u.token_version, array_remove(array_agg(n.id), NULL)
FROM logins l JOIN users u ON u.id = l.user_id LEFT JOIN notices n ON n.user_id = u.id AND n.id > %(begin)s
WHERE l.id = ANY(%(logins)s::uuid[]) AND l.ended_at IS NULL AND l.expires_at > %(now)s
  AND (u.role = 'user' OR l.last_used_at >= %(idle)s)
GROUP BY l.id, u.id
"""
_OPTIONS: dict[str, Any] = {
    "application_name": "stream", "keepalives_idle": 5, "keepalives_interval": 2, "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
}  # fmt: skip
POLL_SECONDS = 2.0
_PER_ADDRESS, _PER_PERSON = 50, 10
_TOGETHER_SECONDS = 0.05  # nudges of one crowd are one read
_AGAIN_SECONDS = 2.0
# An id may become visible after a larger one: so late may a transaction that writes notices commit.
_OVERLAP = timedelta(minutes=2)
_RANDOM_BITS = 80  # of a UUIDv7, behind its milliseconds

log = structlog.get_logger(__name__)


class OpenLogin(NamedTuple):
    """A login that is good now, and what was written for its user lately."""

    id: UUID
    user_id: UUID
    version: int  # of the user's tokens
    notices: list[UUID]


class Reader:
    """One connection, by which statements of a millisecond take turns; each is a transaction of its own."""

    def __init__(self) -> None:
        self._connection: Connection | None = None
        self._turn = Lock()
        wait_no_longer_than(DATABASE_SECONDS())
        register_uuid()  # type: ignore[no-untyped-call]

    def read_logins(self, login_ids: Collection[UUID], begin: UUID) -> Mapping[UUID, OpenLogin]:
        """Return those of the logins that are good now, with their users' notices behind an id.

        One of the staff that was left alone is not good: a stream is no use of it. After an error the next call
        connects anew.

        Raises:
            DatabaseAway: it does not answer.
        """
        now, logins = clock(), [str(each) for each in login_ids]
        idle = now - timedelta(seconds=STAFF_IDLE_SECONDS)
        with self._turn:
            try:
                self._connection = self._connection or _connect()
                with self._connection.cursor() as cursor:
                    cursor.execute(_LOGINS, {"logins": logins, "begin": begin, "now": now, "idle": idle})
                    return {row[0]: OpenLogin(*row) for row in cursor.fetchall()}
            except BaseException:
                self.close()
                raise

    def close(self) -> None:
        """Close the connection."""
        made, self._connection = self._connection, None
        if made:
            made.close()


def _connect() -> Connection:
    made: Connection = psycopg2.connect(database_url().replace("+psycopg2", "", 1), **_OPTIONS)
    set_session_options(made, None)
    made.autocommit = True
    return made


def find_login(reader: Reader, token: str, begin: UUID) -> OpenLogin | None:
    """Return the login of an access token that is good now; None for any other text."""
    try:
        claims = _decode(token)
        user_id, login_id, version = UUID(claims["sub"]), UUID(claims["login"]), int(claims["ver"])
    except (jwt.PyJWTError, KeyError, ValueError, TypeError, AttributeError):
        return None
    if claims.get("type") != "access":
        return None
    found = reader.read_logins([login_id], begin).get(login_id)
    return found if found and (found.user_id, found.version) == (user_id, version) else None


def _decode(token: str) -> dict[str, Any]:
    if len(token) > _LONGEST:
        raise jwt.InvalidTokenError
    key = find_signing_key(jwt.get_unverified_header(token).get("kid"))
    return jwt.decode(token, key, algorithms=[_ALGORITHM], issuer=ISSUER, leeway=SKEW)


class NoticeStream:
    """One client, and the notices of the last minutes that it knows of."""

    def __init__(self, login: OpenLogin, address: str, begin: UUID) -> None:
        self.login, self.address = login, address
        self._begin = begin  # what is older was there before the stream
        self.fresh = asyncio.Event()  # something is to be told, or the stream is over
        self.is_over = False
        self._known = set(login.notices)

    def update(self, login: OpenLogin | None) -> None:
        """Have the client told if it does not know all notices of the last minutes; end with the login."""
        recent = {each for each in login.notices if each > self._begin} if login else self._known
        self.is_over = login is None
        if self.is_over or recent - self._known:
            self.fresh.set()
        self._known = recent


def mark_begin() -> UUID:
    """Return an id before those of all notices that may become visible from now on."""
    now = uuid7().int >> _RANDOM_BITS  # by the clock that makes ids: CLOCK_OFFSET_FILE moves ours alone
    return UUID(int=now - round(_OVERLAP.total_seconds() * 1000) << _RANDOM_BITS)


class NoticeHub:
    """All streams of the process."""

    def __init__(self, reader: Reader) -> None:
        self.streams: set[NoticeStream] = set()
        self.is_over = False  # redis-py may swallow a cancellation (seen in 8.1.0)
        self._reader = reader
        self._begin = mark_begin()  # what is older was read

    def join(self, stream: NoticeStream) -> bool:
        """Serve a stream from now on; return False where its address or its user has too many."""
        here = sum(each.address == stream.address for each in self.streams)
        own = sum(each.login.user_id == stream.login.user_id for each in self.streams)
        if here >= _PER_ADDRESS or own >= _PER_PERSON:
            return False
        self.streams.add(stream)
        return True

    async def run(self) -> None:
        """Serve the streams until cancelled; then end them."""
        try:
            while not self.is_over:
                await self._follow()
                await self._read_notices()
                await asyncio.sleep(_AGAIN_SECONDS)
        finally:
            for stream in self.streams:
                stream.update(None)

    async def _follow(self) -> None:
        """Look when Redis says so and every POLL_SECONDS, until something fails."""
        try:
            url = settings().require("redis_url")
            async with (
                Redis.from_url(url, socket_connect_timeout=2, socket_timeout=2) as redis,
                redis.pubsub() as told,
            ):
                await told.subscribe(NOTICES)
                while not self.is_over:
                    await self._read_notices()
                    report = LoopReport(at=clock(), streams=len(self.streams))
                    await redis.set(STREAM, report.model_dump_json(), ex=FRESH)
                    await _wait_for_nudge(told)
        except RedisError as error:
            log.warning("Redis is away, the table is read all the same", because=type(error).__name__)
        except Exception:
            # The boundary: without this loop open streams would stay silent for good.
            log.exception("the loop of live notices failed and starts again")

    async def _read_notices(self) -> None:
        """Tell the streams of what is new since the last look that was answered; end those whose login ended.

        While the database is away the streams stay open: however long that was, they miss nothing.
        """
        begin, streams = mark_begin(), list(self.streams)
        try:
            if streams:
                logins = {each.login.id for each in streams}
                found = await asyncio.to_thread(self._reader.read_logins, logins, self._begin)
                for stream in streams:
                    stream.update(found.get(stream.login.id))
            self._begin = begin
        except DatabaseAway as error:
            log.warning("the database is away, asked again", because=type(error).__name__)
        except Exception:
            log.exception("notices could not be read, the next look reads them again")


async def _wait_for_nudge(told: PubSub) -> None:
    """Wait for a nudge and those that come with it, or POLL_SECONDS."""
    if await told.get_message(ignore_subscribe_messages=True, timeout=POLL_SECONDS):
        await asyncio.sleep(_TOGETHER_SECONDS)
        while await told.get_message(ignore_subscribe_messages=True, timeout=0):
            pass


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
