"""Cache of public answers in Redis: `max_age` seconds old at most, built by one process at a time, optional.

Without Redis each request builds its own.
"""

import hashlib
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Literal

import structlog
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from api.redis_outage import RedisOutage
from configs.ground.clock import clock
from configs.ground.redis import redis_client
from configs.settings import settings

MAX_AGE = 5.0  # seconds
_CLOCKS_DIFFER = 1.0  # seconds, between machines
_ANSWER_SECONDS = 1  # that a request waits for Redis
_LOCK_SECONDS = 3  # after which a process that builds counts as dead
_PATIENCE = 5.0  # seconds that a request waits for another process to build
_POLL = 0.02
log = structlog.get_logger(__name__)

Build = Callable[[], bytes]


@dataclass(frozen=True, slots=True)
class CachedBody:
    """A body, the instant from before it was built, and where it comes from."""

    body: bytes
    built_at: datetime
    source: Literal["hit", "miss", "bypass"]

    @property
    def age(self) -> float:
        """Return how many seconds ago its data was true for certain."""
        return (clock() - self.built_at).total_seconds()


class AnswerCache:
    """The bodies of one Redis, for all threads of a process."""

    def __init__(self, client: Redis) -> None:
        self._client = client
        self._outage = RedisOutage()

    def get(self, key: str, build: Build, max_age: float = MAX_AGE) -> CachedBody:
        """Return a body that is at most `max_age` seconds old.

        Raises:
            Exception: whatever `build` raises.
        """
        end = time.monotonic() + _PATIENCE
        while self._outage.may_ask():
            try:
                found = self._read(key, max_age)
                has_turn = found is None and self._take_turn(key)
                if has_turn:  # another process may have built it between the two steps
                    found = self._read(key, max_age)
            except RedisError as error:
                log.warning("public answers are built each time, Redis is away", because=type(error).__name__)
                self._outage.note(answers=False)
                break
            self._outage.note(answers=True)
            if has_turn:
                return self._build(key, build, max_age, found)
            if found:
                return found
            if time.monotonic() >= end:
                break
            time.sleep(_POLL)
        return CachedBody(built_at=clock(), body=build(), source="bypass")

    def _take_turn(self, key: str) -> bool:
        return bool(self._client.set(_lock(key), "1", nx=True, ex=_LOCK_SECONDS))

    def _build(self, key: str, build: Build, max_age: float, found: CachedBody | None) -> CachedBody:
        """Build a body unless one was found, keep it for the others, and end this process's turn."""
        try:
            if found is None:
                found = CachedBody(built_at=clock(), body=build(), source="miss")
                kept = f"{found.built_at.timestamp()}\n".encode() + found.body
                with suppress(RedisError):
                    self._client.set(_name(key), kept, px=round(max_age * 1000))
            return found
        finally:
            with suppress(RedisError):
                self._client.delete(_lock(key))

    def _read(self, key: str, max_age: float) -> CachedBody | None:
        kept = self._client.get(_name(key))
        head, _, body = kept.partition(b"\n") if isinstance(kept, bytes) else (b"", b"", b"")
        try:
            found = CachedBody(body, datetime.fromtimestamp(float(head), UTC), "hit")
        except ValueError:
            return None  # nothing, another program's value, or a damaged one
        return found if -_CLOCKS_DIFFER <= found.age < max_age else None


def answer_cache() -> AnswerCache:
    """Return the process's cache of REDIS_URL.

    Raises:
        configs.settings.SettingMissing: REDIS_URL is not set.
    """
    return _open_cache(settings().require("redis_url"))


@lru_cache(maxsize=2)
def _open_cache(_url: str) -> AnswerCache:
    client = redis_client(_ANSWER_SECONDS)
    client.set_retry(Retry(NoBackoff(), 0))
    return AnswerCache(client)


def digest_body(body: bytes) -> str:
    """Return the ETag of a body."""
    return hashlib.blake2b(body, digest_size=16).hexdigest()


def _name(key: str) -> str:
    return f"api:cache:{key}"


def _lock(key: str) -> str:
    return f"api:cache:{key}:lock"
