"""The open streams of a process: one reader of the table serves all of them.

Redis only says when to look (`notices`). Without it the table is read every POLL_SECONDS.
"""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Collection
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError
from uuid_utils.compat import uuid7

from api.streaming.database import DatabaseAway, Reader
from api.streaming.sign_in import StreamLogin, find_ended
from configs.ground.clock import clock
from configs.ground.loop_report import FRESH, NOTICES, STREAM, LoopReport
from configs.settings import settings

POLL_SECONDS = 2.0
_TOGETHER_SECONDS = 0.05  # nudges of one crowd are one read
_CHECK_SECONDS = 5.0  # between looks at the logins
_AGAIN_SECONDS = 2.0
_REPORT_SECONDS = 15.0
# An id may become visible after a larger one: so late may a transaction that writes notices commit.
_OVERLAP = timedelta(minutes=2)
_MILLISECONDS = 80  # bits of a UUIDv7 behind them
_RECENT = "SELECT user_id, id FROM notices WHERE id > %(begin)s AND user_id = ANY(%(users)s::uuid[])"

log = structlog.get_logger(__name__)


@dataclass(eq=False, slots=True)
class NoticeStream:
    """One client, and the notices of the last minutes that it knows of."""

    login: StreamLogin
    address: str
    known: set[UUID]
    waiting: int = 0  # notices that it is to be told of
    fresh: asyncio.Event = field(default_factory=asyncio.Event)
    is_over: bool = False

    def offer(self, recent: set[UUID]) -> None:
        """Have the client told of what it does not know among the notices of the last minutes."""
        self.waiting += len(recent - self.known)
        self.known = recent
        if self.waiting:
            self.fresh.set()

    def end(self) -> None:
        """Let the stream end after what it is sending now."""
        self.is_over = True
        self.fresh.set()


def mark_begin() -> UUID:
    """Return an id before those of all notices that may become visible from now on."""
    at = (uuid7().int >> _MILLISECONDS) - round(_OVERLAP.total_seconds() * 1000)
    return UUID(int=at << _MILLISECONDS)


def read_recent(reader: Reader, user_ids: Collection[UUID], begin: UUID) -> dict[UUID, set[UUID]]:
    """Return the ids of these users' notices behind an id.

    Raises:
        DatabaseAway: it does not answer.
    """
    found: dict[UUID, set[UUID]] = defaultdict(set)
    for user_id, notice_id in reader.fetch(
        _RECENT, {"begin": begin, "users": [str(each) for each in user_ids]}
    ):
        found[user_id].add(notice_id)
    return found


class NoticeHub:
    """All streams of the process, by user."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._streams: dict[UUID, set[NoticeStream]] = defaultdict(set)
        self._nudged = asyncio.Event()
        self._begin = mark_begin()  # what is older was read

    def join(self, stream: NoticeStream) -> None:
        """Serve a stream from now on."""
        self._streams[stream.login.user_id].add(stream)

    def leave(self, stream: NoticeStream) -> None:
        """Forget a stream; to repeat it changes nothing."""
        mine = self._streams.get(stream.login.user_id, set())
        mine.discard(stream)
        if not mine:
            self._streams.pop(stream.login.user_id, None)

    def list_streams(self) -> list[NoticeStream]:
        """Return all streams."""
        return [stream for mine in self._streams.values() for stream in mine]

    async def run(self) -> None:
        """Serve the streams until cancelled; then end them."""
        try:
            async with asyncio.TaskGroup() as tasks:
                for work in (self._listen, self._read_table, self._check_logins, self._report):
                    tasks.create_task(_repeat(work))
        finally:
            for stream in self.list_streams():
                stream.end()

    async def _listen(self) -> None:
        """Look at the table when Redis says so."""
        async with _connect_redis() as redis, redis.pubsub() as subscribed:
            await subscribed.subscribe(NOTICES)
            while True:
                if await subscribed.get_message(ignore_subscribe_messages=True, timeout=30):
                    self._nudged.set()
                _end_if_cancelled()

    async def _read_table(self) -> None:
        """Wait for a nudge, or POLL_SECONDS, and tell the streams what is new since the last read that was answered.

        While the database is away the streams stay open: however long that was, they miss nothing.
        """
        with suppress(TimeoutError):
            async with asyncio.timeout(POLL_SECONDS):
                await self._nudged.wait()
                await asyncio.sleep(_TOGETHER_SECONDS)
        self._nudged.clear()
        begin = mark_begin()
        if users := list(self._streams):
            found = await asyncio.to_thread(read_recent, self._reader, users, self._begin)
            for user_id in users:
                for stream in self._streams.get(user_id, ()):
                    stream.offer(found.get(user_id, set()))
        self._begin = begin

    async def _check_logins(self) -> None:
        """End the streams of logins that ended."""
        await asyncio.sleep(_CHECK_SECONDS)
        if streams := self.list_streams():
            logins = {each.login.login_id for each in streams}
            ended = await asyncio.to_thread(find_ended, self._reader, logins)
            for stream in streams:
                if stream.login.login_id in ended:
                    stream.end()

    async def _report(self) -> None:
        """Report that the program runs, and how many streams it has, for health."""
        async with _connect_redis() as redis:
            while True:
                report = LoopReport(at=clock(), streams=len(self.list_streams()))
                await redis.set(STREAM, report.model_dump_json(), ex=FRESH)
                _end_if_cancelled()
                await asyncio.sleep(_REPORT_SECONDS)


def _connect_redis() -> Redis:
    return Redis.from_url(settings().require("redis_url"), socket_connect_timeout=2, health_check_interval=15)


def _end_if_cancelled() -> None:
    """End what redis-py kept from being cancelled: at times its calls return in place of that (seen in 8.1.0).

    Raises:
        asyncio.CancelledError: this task is to end.
    """
    task = asyncio.current_task()
    if task and task.cancelling():
        raise asyncio.CancelledError


async def _repeat(work: Callable[[], Awaitable[None]]) -> None:
    """Do something until cancelled. What fails is begun again: without it open streams would stay silent for good.

    A server that goes away while it is being left raises an error in place of the cancellation.
    """
    task = asyncio.current_task()
    while task and not task.cancelling():
        try:
            await work()
        except (DatabaseAway, RedisError) as error:
            log.warning("a server is away, asked again", work=work.__name__, because=type(error).__name__)
            await asyncio.sleep(_AGAIN_SECONDS)
        except Exception:
            # The boundary: whatever one round raises ends no other.
            log.exception("begun again", work=work.__name__)
            await asyncio.sleep(_AGAIN_SECONDS)
