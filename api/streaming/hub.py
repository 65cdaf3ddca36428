"""The open streams of a process: one reader of the table serves all of them.

Redis only says when to look (`notices`). Without it the table is read every POLL_SECONDS.
"""

import asyncio
from collections import defaultdict, deque
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from uuid import UUID

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from api.streaming.database import DatabaseAway, ReadPool
from api.streaming.notice_reads import StreamedNotice, read_fresh
from api.streaming.sign_in import StreamLogin, find_ended
from configs.live_channel import CHANNEL
from configs.settings import settings

POLL_SECONDS = 2.0
_TOGETHER_SECONDS = 0.05  # nudges of one crowd are one read
_CHECK_SECONDS = 5.0  # between looks at the logins
_AGAIN_SECONDS = 2.0
_MOST_WAITING = 1000  # notices of a stream whose client does not read
_MOST_SEEN = 4000

log = structlog.get_logger(__name__)


@dataclass(eq=False, slots=True)
class NoticeStream:
    """One client: what it is to be sent, and what it was."""

    login: StreamLogin
    address: str
    fresh: asyncio.Event = field(default_factory=asyncio.Event)
    waiting: deque[StreamedNotice] = field(default_factory=deque)
    seen: dict[UUID, None] = field(default_factory=dict)  # in order: the oldest is forgotten first
    is_over: bool = False

    def offer(self, notices: Iterable[StreamedNotice]) -> None:
        """Queue what the client was not sent."""
        for each in notices:
            if each.id not in self.seen:
                self.note(each.id)
                self.waiting.append(each)
                self.fresh.set()
        if len(self.waiting) > _MOST_WAITING:  # it comes back with Last-Event-ID
            self.end()

    def note(self, notice_id: UUID) -> None:
        """Remember that the client has a notice."""
        self.seen[notice_id] = None
        if len(self.seen) > _MOST_SEEN:
            del self.seen[next(iter(self.seen))]

    def end(self) -> None:
        """Let the stream end after what it is sending now."""
        self.is_over = True
        self.fresh.set()


class NoticeHub:
    """All streams of the process, by user."""

    def __init__(self, pool: ReadPool) -> None:
        self._pool = pool
        self._streams: dict[UUID, set[NoticeStream]] = defaultdict(set)
        self._nudged = asyncio.Event()

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
                for task in (self._listen(), self._watch_table(), self._watch_logins()):
                    tasks.create_task(task)
        finally:
            for stream in self.list_streams():
                stream.end()

    async def _listen(self) -> None:
        """Look at the table when Redis says so."""
        while True:
            redis = Redis.from_url(
                settings().require("redis_url"), socket_connect_timeout=2, health_check_interval=15
            )
            try:
                async with redis, redis.pubsub() as subscribed:
                    await subscribed.subscribe(CHANNEL)
                    while True:
                        if await subscribed.get_message(ignore_subscribe_messages=True, timeout=30):
                            self._nudged.set()
            except RedisError as error:
                log.warning("Redis away, the table is polled", because=type(error).__name__)
                await asyncio.sleep(_AGAIN_SECONDS)

    async def _watch_table(self) -> None:
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(POLL_SECONDS):
                    await self._nudged.wait()
                    await asyncio.sleep(_TOGETHER_SECONDS)
            self._nudged.clear()
            if users := list(self._streams):
                with _patience():
                    found = await asyncio.to_thread(read_fresh, self._pool, users)
                    for user_id, notices in found.items():
                        for stream in self._streams.get(user_id, ()):
                            stream.offer(notices)

    async def _watch_logins(self) -> None:
        """End the streams of logins that ended."""
        while True:
            await asyncio.sleep(_CHECK_SECONDS)
            if streams := self.list_streams():
                with _patience():
                    ended = await asyncio.to_thread(
                        find_ended, self._pool, {each.login.login_id for each in streams}
                    )
                    for stream in streams:
                        if stream.login.login_id in ended:
                            stream.end()


class _patience(suppress):  # noqa: N801 -- as the base is called
    """Let a database that is away end one look at it."""

    def __init__(self) -> None:
        super().__init__(DatabaseAway)
