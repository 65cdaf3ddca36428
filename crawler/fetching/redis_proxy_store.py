"""Proxy health shared by all processes, in Redis; while Redis is away each process keeps its own.

`crawler:proxy:last:<prefecture>` is the name of the proxy taken last; `crawler:proxies:<host>` a hash of those that
failed, name → "<failures> <rests until>". Both are gone a day after they were last written.
"""

import logging

import redis
import redis.asyncio

from configs.outage_log import OutageLog
from crawler.fetching.proxies import InMemoryProxyStore, KnownProxies, ProxyHealth

log = logging.getLogger(__name__)

_KEPT = 86400  # seconds
# KEYS last; ARGV what it was ('' for nothing), what it is to be, seconds. Returns 1 where it was that.
_TAKE = """
if (redis.call('GET', KEYS[1]) or '') ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'EX', ARGV[3])
return 1
"""


class RedisProxyStore:
    """Memory of all processes."""

    def __init__(self, client: "redis.asyncio.Redis") -> None:
        self._client, self._own = client, InMemoryProxyStore()
        self._redis = OutageLog()

    async def recall_proxies(self, prefecture: str, host: str) -> KnownProxies:
        """Return what is remembered."""
        try:
            pipe = self._client.pipeline(transaction=False)
            pipe.get(_last(prefecture))
            pipe.hgetall(_health(host))
            last, failed = await pipe.execute()
        except redis.RedisError as error:
            self._lost(error)
            return await self._own.recall_proxies(prefecture, host)
        self._redis.end()
        return KnownProxies(last, {name: _parse_health(text) for name, text in failed.items()})

    async def take(self, prefecture: str, before: str | None, name: str) -> bool:
        """Note the last one, unless another process was faster."""
        await self._own.take(prefecture, before, name)
        try:
            taken = await self._client.register_script(_TAKE)(
                [_last(prefecture)], [before or "", name, _KEPT]
            )
        except redis.RedisError as error:
            self._lost(error)
            return True
        return bool(taken)

    async def note(self, host: str, name: str, health: ProxyHealth | None) -> None:
        """Remember or forget."""
        await self._own.note(host, name, health)
        try:
            pipe = self._client.pipeline(transaction=False)
            if health:
                pipe.hset(_health(host), name, f"{health.failures} {health.rests_until:.3f}")
            else:
                pipe.hdel(_health(host), name)
            pipe.expire(_health(host), _KEPT)
            await pipe.execute()
        except redis.RedisError as error:
            self._lost(error)

    def _lost(self, error: redis.RedisError) -> None:
        if self._redis.begin(str(error)):
            log.warning("Redis is away, this process turns its proxies by itself: %s", error)


def _last(prefecture: str) -> str:
    return f"crawler:proxy:last:{prefecture}"


def _health(host: str) -> str:
    return f"crawler:proxies:{host}"


def _parse_health(text: str) -> ProxyHealth:
    failures, until = text.split(" ")
    return ProxyHealth(int(failures), float(until))
