"""Spider lease: a process's right to claim desks of its queue, lost SEAT_SECONDS after its last renewal."""

import asyncio
import secrets
from contextlib import suppress
from time import monotonic

import redis.asyncio

from configs.constants import Constant
from crawler.scheduling import lua_scripts
from crawler.scheduling.due_queue import Call, asend
from crawler.scheduling.queues import CrawlQueue

# How long a spider process holds its seat without renewing it
SEAT_SECONDS = Constant("SEAT_SECONDS", 15.0)
# How often a spider process renews its seat
SEAT_RENEW_SECONDS = Constant("SEAT_RENEW_SECONDS", 5.0)

_RETRY = 0.1  # seconds between two attempts


def lease_keys(queue: str) -> list[str]:
    """Return the keys of a queue's leases."""
    return [f"crawler:lease:{queue}:{number}" for number in range(CrawlQueue.parse(queue).leases)]


class SpiderLease:
    """One of a queue's leases, of which there are as many as it may have processes. They run out by Redis's clock."""

    def __init__(self, client: redis.asyncio.Redis, queue: str) -> None:
        self._client = client
        self._keys = lease_keys(queue)
        self.holder = secrets.token_hex(8)
        self._key: str | None = None
        self._ours_until = 0.0

    @property
    def held(self) -> bool:
        """Whether the lease is surely ours: that of a process that was suspended may have run out."""
        return self._key is not None and monotonic() < self._ours_until

    async def take(self, stopping: asyncio.Event) -> bool:
        """Take a free lease; wait for SEAT_SECONDS at most, within which that of a dead predecessor runs out.

        False: none was free, or we are stopping.

        Raises:
            redis.RedisError: Redis is away.
        """
        gives_up = monotonic() + SEAT_SECONDS()
        while not stopping.is_set() and monotonic() < gives_up:
            for key in self._keys:
                if await self._renew(key):
                    self._key = key
                    return True
            await wait_for(stopping, _RETRY)
        return False

    async def keep(self) -> bool:
        """Renew the lease; take it back where Redis lost it. False: another process has it.

        Raises:
            redis.RedisError: Redis is away.
        """
        return self._key is not None and await self._renew(self._key)

    async def leave(self) -> None:
        """Free the lease at once.

        Raises:
            redis.RedisError: Redis is away; the lease runs out.
        """
        if self._key:
            key, self._key = self._key, None
            await asend(self._client, Call(lua_scripts.RELEASE_LEASE, (key,), (self.holder,), bool))

    async def _renew(self, key: str) -> bool:
        seconds, now = SEAT_SECONDS(), monotonic()
        renewed = await asend(
            self._client, Call(lua_scripts.RENEW_LEASE, (key,), (self.holder, round(seconds * 1000)), bool)
        )
        if renewed:
            self._ours_until = now + seconds
        return renewed


async def wait_for(event: asyncio.Event, seconds: float) -> None:
    """Wait until an event is set, for so many seconds at most."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
