"""Keeper lease: a key in Redis, lost KEEPER_LEASE_SECONDS after its holder last renewed it."""

import secrets

import redis

from configs.constants import Constant
from crawler.scheduling import lua_scripts
from crawler.scheduling.due_queue import Call, send

# How long one keeper keeps without renewing its lease; another one then takes over
KEEPER_LEASE_SECONDS = Constant("KEEPER_LEASE_SECONDS", 15.0)


class Lease:
    """Lease of one program. Its holder goes on while Redis is away: no other can take it."""

    def __init__(self, client: redis.Redis, name: str) -> None:
        self._client = client
        self._key = f"crawler:lease:{name}"
        self._holder = secrets.token_hex(8)
        self.held = False

    def renew(self) -> bool:
        """Take or keep the lease; tell whether it is ours.

        Raises:
            redis.RedisError: Redis is away; `held` is what it was.
        """
        milliseconds = round(KEEPER_LEASE_SECONDS() * 1000)
        self.held = send(
            self._client, Call(lua_scripts.RENEW_LEASE, (self._key,), (self._holder, milliseconds), bool)
        )
        return self.held

    def leave(self) -> None:
        """Give it up at once.

        Raises:
            redis.RedisError: Redis is away; the lease runs out.
        """
        if self.held:
            self.held = False
            send(self._client, Call(lua_scripts.RELEASE_LEASE, (self._key,), (self._holder,), bool))
