"""The open streams of live notices: their logins and notices are read by one loop for all of them.

Redis only says when to look (`notices`); without it the tables are read every POLL_SECONDS. They are read by psycopg2
alone: SQLAlchemy and the records would be a third of the program's memory.
"""

import asyncio
from collections.abc import Collection, Mapping
from datetime import timedelta
from threading import Lock
from typing import Any, NamedTuple
from uuid import UUID

import jwt
import psycopg2
import structlog
from psycopg2.extensions import connection as Connection  # noqa: N812 -- it is a class
from psycopg2.extras import register_uuid
from redis.asyncio import Redis
from redis.asyncio.client import PubSub
from redis.exceptions import RedisError
from uuid_utils.compat import uuid7

from api.models.session_options import set_session_options
from configs.ground.clock import clock
from configs.ground.database import DATABASE_SECONDS, database_url, wait_no_longer_than
from configs.ground.loop_report import FRESH, NOTICES, STREAM, LoopReport
from configs.ground.signing import ISSUER, SKEW, STAFF_IDLE_SECONDS, find_signing_key
from configs.settings import settings

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
