"""Counters of limits in Redis: their storage, and limits that a route or the sign-in counts itself."""

import time
from functools import lru_cache
from typing import Any

import structlog
from limits import RateLimitItem, parse
from limits.errors import StorageError
from limits.storage import storage_from_string
from limits.strategies import FixedWindowRateLimiter
from redis.backoff import NoBackoff
from redis.retry import Retry

from api.ground.errors import ApiError
from api.ground.redis_outage import RedisOutage
from configs.settings import settings

PATIENCE = 1  # seconds that a request waits for Redis
_PREFIX = "api:throttle"
log = structlog.get_logger(__name__)


def hit_limit(rule: str, *key: str) -> None:
    """Count one event of this key, e.g. `hit_limit("300 per 5 minutes", "user", id)`. Without Redis nothing counts.

    Raises:
        ApiError: 429, there were more than the rule allows.
    """
    _check(rule, key, counting=True)


def check_limit(rule: str, *key: str) -> None:
    """Refuse if the next event of this key is one too many, without counting it.

    Raises:
        ApiError: 429.
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
    return f"redis+{url}" if url.startswith("unix://") else url


def build_storage_options() -> dict[str, Any]:
    """Return options with which a counter fails soon where Redis is away."""
    return {
        "socket_timeout": PATIENCE,
        "socket_connect_timeout": PATIENCE,
        "retry": Retry(NoBackoff(), 0),
        "wrap_exceptions": True,
        "key_prefix": _PREFIX,
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
        raise build_refusal(item, ends_at)


def build_refusal(item: RateLimitItem, ends_at: float) -> ApiError:
    """Return the refusal of a request that is one too many until `ends_at`, Unix seconds: `more than 20 in 1 hour`."""
    plural = "s" if item.multiples > 1 else ""
    period = f"{item.multiples} {item.GRANULARITY.name}{plural}"
    detail = f"more than {item.amount} in {period}: wait as long as Retry-After says"
    wait = max(1, round(ends_at - time.time()))
    return ApiError(429, "too-many-requests", detail, headers={"Retry-After": str(wait)})


@lru_cache(maxsize=32)
def _parse(rule: str) -> RateLimitItem:
    return parse(rule)


@lru_cache(maxsize=2)
def _get_outage(_url: str) -> RedisOutage:
    return RedisOutage()


@lru_cache(maxsize=2)
def _get_limiter(url: str) -> FixedWindowRateLimiter:
    return FixedWindowRateLimiter(storage_from_string(url, **build_storage_options()))
