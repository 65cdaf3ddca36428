"""Counters in Redis: their storage, and limits that a route or the sign-in counts itself, by user, not by request."""

import time
from functools import lru_cache
from typing import Any, cast

import structlog
from flask import g, has_app_context
from limits import RateLimitItem, parse
from limits.errors import StorageError
from limits.storage import RedisStorage, storage_from_string
from limits.strategies import FixedWindowRateLimiter
from redis.backoff import NoBackoff
from redis.retry import Retry

from api.middleware.shared_counts import PREFIX, Count
from api.redis_outage import RedisOutage
from configs.settings import settings

PATIENCE = 1  # seconds that a request waits for Redis
_COUNTED = "counted+"  # before the scheme of REDIS_URL
log = structlog.get_logger(__name__)


class CountedRedisStorage(RedisStorage):
    """Storage whose counts come with their end, in one round trip.

    What a request has counted it also shows in its headers; the library asks Redis twice more for them.
    """

    STORAGE_SCHEME = [f"{_COUNTED}{scheme}" for scheme in ("redis", "rediss", "redis+unix")]  # noqa: RUF012 -- its base's
    SCRIPT_INCR_EXPIRE = b"""
    local count = redis.call("incrby", KEYS[1], ARGV[2])
    local left = redis.call("ttl", KEYS[1])
    if left < 0 then
      redis.call("expire", KEYS[1], ARGV[1])
      left = tonumber(ARGV[1])
    end
    return {count, left}
    """

    def __init__(self, uri: str, **options: Any) -> None:
        super().__init__(uri.removeprefix(_COUNTED), **options)

    def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        """Count and return the count; the request remembers it, and the seconds that are left."""
        counted = self.lua_incr_expire([self.prefixed_key(key)], [expiry, amount])
        count, left = cast("tuple[int, int]", counted)
        if has_app_context():
            _remember_counts()[key] = count, left + time.time()
        return count

    def get(self, key: str) -> int:
        """Return a count."""
        known = _remember_counts().get(key) if has_app_context() else None
        return known[0] if known else super().get(key)

    def get_expiry(self, key: str) -> float:
        """Return the end of a count, in seconds since 1970."""
        known = _remember_counts().get(key) if has_app_context() else None
        return known[1] if known else super().get_expiry(key)


def _remember_counts() -> dict[str, tuple[int, float]]:
    """Return what this request has counted: count and end by key."""
    counts: dict[str, tuple[int, float]] = g.setdefault("counts", {})
    return counts


def hit_limit(rule: str, *key: str) -> None:
    """Count one event of this key, e.g. `hit_limit("300 per 5 minutes", "user", id)`. Without Redis nothing counts.

    Raises:
        api.errors.ApiError: 429, there were more than the rule allows.
    """
    _check(rule, key, counting=True)


def check_limit(rule: str, *key: str) -> None:
    """Refuse if the next event of this key is one too many, without counting it.

    Raises:
        api.errors.ApiError: 429.
    """
    _check(rule, key, counting=False)


def clear_limit(rule: str, *key: str) -> None:
    """Forget what was counted of this key.

    Raises:
        limits.errors.StorageError: Redis does not answer.
    """
    _get_limiter(build_storage_url()).clear(_parse(rule), *key)


def build_storage_url() -> str:
    """Return REDIS_URL as the library `limits` writes it.

    Raises:
        configs.settings.SettingMissing: REDIS_URL is not set.
    """
    url = settings().require("redis_url")
    return _COUNTED + (f"redis+{url}" if url.startswith("unix://") else url)


def build_storage_options() -> dict[str, Any]:
    """Return options with which a counter fails soon where Redis is away."""
    return {
        "socket_timeout": PATIENCE,
        "socket_connect_timeout": PATIENCE,
        "retry": Retry(NoBackoff(), 0),
        "wrap_exceptions": True,
        "key_prefix": PREFIX,
    }


def _check(rule: str, key: tuple[str, ...], *, counting: bool) -> None:
    url = build_storage_url()
    item, limiter, outage = _parse(rule), _get_limiter(url), _get_outage(url)
    if not outage.may_ask():
        return
    try:
        passes = (limiter.hit if counting else limiter.test)(item, *key)
        ends_at = 0.0 if passes else limiter.get_window_stats(item, *key).reset_time
    except StorageError as error:
        outage.note(answers=False)
        log.warning("requests are not counted: Redis does not answer", error=str(error.storage_error))
        return
    outage.note(answers=True)
    if not passes:
        raise Count(item, passes, 0, ends_at).build_refusal()


@lru_cache(maxsize=32)
def _parse(rule: str) -> RateLimitItem:
    return parse(rule)


@lru_cache(maxsize=2)
def _get_outage(_url: str) -> RedisOutage:
    return RedisOutage()


@lru_cache(maxsize=2)
def _get_limiter(url: str) -> FixedWindowRateLimiter:
    return FixedWindowRateLimiter(storage_from_string(url, **build_storage_options()))
