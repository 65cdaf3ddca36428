"""A spider process's right to claim: one of the system's seats in Redis, lost fifteen seconds after it fell silent."""

import asyncio
import secrets
from time import monotonic

import redis.asyncio

from configs.settings import settings
from crawler import lua
from crawler.due import Call, asend

_RETRY = 0.5  # seconds


class Seat:
    """One of SPIDER_PROCESSES seats of a booking system. Redis's own clock counts: a seat outlives no process."""

    def __init__(self, client: redis.asyncio.Redis, system: str) -> None:
        self._client = client
        self._keys = [f"seat:{system}:{number}" for number in range(settings().spider_processes)]
        self._holder = secrets.token_hex(8)
        self._key: str | None = None

    async def take(self) -> bool:
        """Take a free seat, waiting as long as one lasts: a predecessor that died leaves it within that time.

        Raises:
            redis.RedisError: Redis is away.
        """
        gives_up = monotonic() + settings().seat_seconds
        while True:
            for key in self._keys:
                if await self._renewed(key):
                    self._key = key
                    return True
            if monotonic() > gives_up:
                return False
            await asyncio.sleep(_RETRY)

    async def keep(self) -> bool:
        """Renew the seat; take it back where Redis forgot it. False: somebody else sits there.

        Raises:
            redis.RedisError: Redis is away.
        """
        return self._key is not None and await self._renewed(self._key)

    async def leave(self) -> None:
        """Free the seat at once.

        Raises:
            redis.RedisError: Redis is away; the seat frees itself.
        """
        if self._key:
            await asend(self._client, Call(lua.LEAVE, (self._key,), (self._holder,), bool))
            self._key = None

    async def _renewed(self, key: str) -> bool:
        milliseconds = round(settings().seat_seconds * 1000)
        return await asend(self._client, Call(lua.RENEW, (key,), (self._holder, milliseconds), bool))
