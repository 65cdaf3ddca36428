"""Counts of requests, kept in the memory of each process and added up in Redis four times a second.

To ask Redis at each request is two round trips of a signed-in one: a fifth of its CPU. The price: each other process
may let through what reaches it within EXCHANGE_SECONDS after a limit is reached. Guesses are counted exactly, by
`limit_counters.hit_limit`.
"""

import threading
import time
from dataclasses import dataclass
from functools import lru_cache
from typing import cast

import structlog
from limits import RateLimitItem, parse
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from api.errors import ApiError
from api.redis_outage import RedisOutage
from configs.ground.clock import clock
from configs.ground.redis import redis_client
from configs.settings import settings

EXCHANGE_SECONDS = 0.25
PATIENCE = 1  # seconds that the request which adds up waits for Redis
PREFIX = "api:throttle"
_MOST_AT_ONCE = 2000  # counts of one script, which holds Redis up for some 3 ms
_MOST_KEPT = 10_000  # counts of some 300 bytes; beyond these, only such as are near their limit
# For each key and its pair of arguments (seconds, amount): the sum, and the seconds until it ends.
_ADD = """
local sums = {}
for place, key in ipairs(KEYS) do
  local sum = redis.call("incrby", key, ARGV[2 * place])
  local left = redis.call("ttl", key)
  if left < 0 then
    left = tonumber(ARGV[2 * place - 1])
    redis.call("expire", key, left)
  end
  sums[2 * place - 1], sums[2 * place] = sum, left
end
return sums
"""
log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Count:
    """One event, counted: its limit, whether it passes, how many are left, and when that ends (seconds since 1970)."""

    limit: RateLimitItem
    passes: bool
    left: int
    ends_at: float

    def build_refusal(self) -> ApiError:
        """Return the answer to an event that does not pass."""
        wait = max(1, round(self.ends_at - clock().timestamp()))
        detail = f"more than {self.limit}: wait as long as Retry-After says"
        return ApiError(429, "too-many-requests", detail, headers={"Retry-After": str(wait)})


@dataclass(slots=True)
class _Entry:
    limit: RateLimitItem
    ends_at: float  # seconds since 1970
    total: int = 0  # of all processes, as far as this one knows
    unsent: int = 0  # of these, how many Redis does not know yet


class SharedCounts:
    """The counts of one process, for all of its threads."""

    def __init__(self, client: Redis) -> None:
        self._client, self._add = client, client.register_script(_ADD)
        self._lock, self._outage = threading.Lock(), RedisOutage()
        self._entries: dict[str, _Entry] = {}
        self._exchange_at = 0.0  # of the monotonic clock

    def count(self, rule: str, *key: str) -> Count:
        """Count one event of this key, whether it passes or not; add the counts up when that is due."""
        limit, now = _parse(rule), clock().timestamp()
        name = limit.key_for(*key)
        with self._lock:
            entry = self._entries.get(name)
            if (
                entry is None or not now < entry.ends_at <= now + limit.get_expiry()
            ):  # or the clock was set back
                entry = self._entries[name] = _Entry(limit, now + limit.get_expiry())
            entry.total += 1
            entry.unsent += 1
            is_due = time.monotonic() >= self._exchange_at
        if is_due:
            self.exchange()
        return Count(limit, entry.total <= limit.amount, max(0, limit.amount - entry.total), entry.ends_at)

    def exchange(self) -> None:
        """Add what was counted here to the sums in Redis, and learn these. Without Redis the counts stay here."""
        with self._lock:
            self._exchange_at = time.monotonic() + EXCHANGE_SECONDS
            if not self._outage.may_ask():
                self._tidy_up()
                return
            unsent = [(name, each, each.unsent) for name, each in self._entries.items() if each.unsent]
            for _, entry, _ in unsent:
                entry.unsent = 0
        for start in range(0, len(unsent), _MOST_AT_ONCE):
            self._send(unsent[start : start + _MOST_AT_ONCE])

    def forget(self, rule: str, *key: str) -> None:
        """Delete a count, here and in Redis; other processes keep theirs until it ends."""
        name = _parse(rule).key_for(*key)
        with self._lock:
            self._entries.pop(name, None)
        try:
            self._client.delete(f"{PREFIX}:{name}")
        except RedisError as error:
            log.warning("a count runs out by itself", error=str(error))

    def _send(self, unsent: list[tuple[str, _Entry, int]]) -> None:
        now = clock().timestamp()
        arguments = [number for _, entry, amount in unsent for number in (entry.limit.get_expiry(), amount)]
        try:
            sums = cast("list[int]", self._add([f"{PREFIX}:{name}" for name, _, _ in unsent], arguments))
        except RedisError as error:
            self._outage.note(answers=False)
            log.warning("Redis does not answer: requests are counted here", error=str(error))
            return
        self._outage.note(answers=True)
        with self._lock:
            for (_, entry, _), total, left in zip(unsent, sums[::2], sums[1::2], strict=True):
                entry.total, entry.ends_at = total + entry.unsent, now + left
            self._tidy_up()

    def _tidy_up(self) -> None:
        """Forget counts beyond _MOST_KEPT that cannot reach their limit before they are asked for again."""
        if len(self._entries) <= _MOST_KEPT:
            return
        now = clock().timestamp()
        self._entries = {
            name: each
            for name, each in self._entries.items()
            if each.unsent or (each.ends_at > now and each.total * 2 > each.limit.amount)
        }


def count_request(rule: str, *key: str) -> Count:
    """Count one request of this key, e.g. `count_request("300 per 5 minutes", "user", id)`."""
    return _get_counts(settings().require("redis_url")).count(rule, *key)


def forget_requests(rule: str, *key: str) -> None:
    """Forget what `count_request` counted of this key."""
    _get_counts(settings().require("redis_url")).forget(rule, *key)


@lru_cache(maxsize=2)
def _get_counts(_url: str) -> SharedCounts:
    client = redis_client(PATIENCE)
    client.set_retry(Retry(NoBackoff(), 0))
    return SharedCounts(client)


@lru_cache(maxsize=32)
def _parse(rule: str) -> RateLimitItem:
    return parse(rule)
