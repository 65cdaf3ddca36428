"""The hub of live notices: one loop reads logins and notices of all streams.

Redis only says when to look (`notices`); without it the tables are read every POLL_SECONDS.
"""

import asyncio
from datetime import timedelta
from uuid import UUID

import structlog
from redis.asyncio import Redis
from redis.asyncio.client import PubSub
from redis.exceptions import RedisError
from uuid_utils.compat import uuid7

from api.stream.logins import DatabaseAway, OpenLogin, Reader
from configs.ground.clock import clock
from configs.programs.loop_report import FRESH, NOTICES, STREAM, LoopReport
from configs.settings import settings

POLL_SECONDS = 2.0
_PER_ADDRESS, _PER_PERSON = 50, 10
_TOGETHER_SECONDS = 0.05  # nudges of one crowd are one read
_AGAIN_SECONDS = 2.0
# An id may become visible after a larger one: so late may a transaction that writes notices commit.
_OVERLAP = timedelta(minutes=2)
_RANDOM_BITS = 80  # of a UUIDv7, behind its milliseconds

log = structlog.get_logger(__name__)


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
