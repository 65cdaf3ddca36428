"""Counters in Redis behind limits that a route or the sign-in counts itself, by user rather than by request."""

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

from api.errors import ApiError
from configs.clock import clock
from configs.settings import settings

PATIENCE = 1  # seconds that a request waits for Redis
_REST = 5.0  # seconds without asking a Redis that did not answer: a frozen one would slow every request
PREFIX = "throttle"
_rests_until: dict[str, float] = {}  # by address, monotonic
log = structlog.get_logger(__name__)


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
        "key_prefix": PREFIX,
    }


def _check(rule: str, key: tuple[str, ...], *, counting: bool) -> None:
    url = build_storage_url()
    if time.monotonic() < _rests_until.get(url, 0):
        return
    item, limiter = _parse(rule), _get_limiter(url)
    try:
        passes = (limiter.hit if counting else limiter.test)(item, *key)
        resets_at = 0.0 if passes else limiter.get_window_stats(item, *key).reset_time
    except StorageError as error:
        _rests_until[url] = time.monotonic() + _REST
        log.warning("requests are not counted: Redis does not answer", error=str(error.storage_error))
        return
    if not passes:
        wait = max(1, round(resets_at - clock().timestamp()))
        detail = f"more than {item}: wait as long as Retry-After says"
        raise ApiError(429, "too-many-requests", detail, headers={"Retry-After": str(wait)})


@lru_cache(maxsize=32)
def _parse(rule: str) -> RateLimitItem:
    return parse(rule)


@lru_cache(maxsize=2)
def _get_limiter(url: str) -> FixedWindowRateLimiter:
    return FixedWindowRateLimiter(storage_from_string(url, **build_storage_options()))
