"""Cache of public answers in Redis: built by one process at a time, optional.

An answer is `max_age` seconds old at most, older by up to _KEPT_SECONDS only while the next one takes long to build.
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
from redis.exceptions import RedisError

from api.ground.errors import ApiError
from api.ground.redis_outage import RedisOutage
from configs.ground.clock import clock
from configs.ground.redis import open_redis
from configs.settings import settings

MAX_AGE = 5.0  # seconds
_CLOCKS_DIFFER = 1.0  # seconds, between machines
_ANSWER_SECONDS = 1  # that a request waits for Redis
_LOCK_SECONDS = 10  # after which a process that builds counts as dead; a slow one builds beside the next
_PATIENCE = 1.0  # seconds that a request waits for another process to build, where there is an older body
_LONGEST_WAIT = 15.0  # seconds, where there is none
_KEPT_SECONDS = 60.0  # that a body is kept beyond its age
_POLL = 0.02
_MINE = 100  # bodies that a process keeps while they are fresh: a hit is no round trip
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
        self._mine: dict[str, CachedBody] = {}

    def get(self, key: str, build: Build, max_age: float = MAX_AGE) -> CachedBody:
        """Return a body at most `max_age` seconds old; up to _KEPT_SECONDS older where the next takes over _PATIENCE.

        Raises:
            ApiError: 503, another process builds it, for longer than _LONGEST_WAIT.
            Exception: whatever `build` raises.
        """
        mine = self._mine.get(key)
        if mine is not None and 0 <= mine.age < max_age:
            return mine
        begun = time.monotonic()
        while self._outage.may_ask():
            try:
                found = self._read_body(key)
                is_fresh = found is not None and found.age < max_age
                has_turn = not is_fresh and self._take_turn(key)
                if has_turn:  # another process may have built it between the two steps
                    found = self._read_body(key)
            except RedisError as error:
                log.warning("public answers are built each time, Redis is away", because=type(error).__name__)
                self._outage.note(answers=False)
                break
            self._outage.note(answers=True)
            if has_turn:
                return self._build(key, build, max_age, found)
            waited = time.monotonic() - begun
            if found and is_fresh:
                self._mine = {key: found} if len(self._mine) >= _MINE else self._mine | {key: found}
            if found and (is_fresh or waited >= _PATIENCE):
                return found
            if waited >= _LONGEST_WAIT:
                raise ApiError(503, "busy", "try again in a moment", headers={"Retry-After": "5"})
            time.sleep(_POLL)
        return CachedBody(built_at=clock(), body=build(), source="bypass")

    def _take_turn(self, key: str) -> bool:
        return bool(self._client.set(_lock(key), "1", nx=True, ex=_LOCK_SECONDS))

    def _build(self, key: str, build: Build, max_age: float, found: CachedBody | None) -> CachedBody:
        """Build a body unless a fresh one was found, keep it for the others, and end this process's turn."""
        try:
            if found is None or found.age >= max_age:
                found = CachedBody(built_at=clock(), body=build(), source="miss")
                kept = f"{found.built_at.timestamp()}\n".encode() + found.body
                with suppress(RedisError):
                    self._client.set(_name(key), kept, px=round((max_age + _KEPT_SECONDS) * 1000))
            return found
        finally:
            with suppress(RedisError):
                self._client.delete(_lock(key))

    def _read_body(self, key: str) -> CachedBody | None:
        kept = self._client.get(_name(key))
        head, _, body = kept.partition(b"\n") if isinstance(kept, bytes) else (b"", b"", b"")
        try:
            found = CachedBody(body, datetime.fromtimestamp(float(head), UTC), "hit")
        except (OverflowError, OSError, ValueError):
            return None  # nothing, another program's value, or a damaged one
        return found if found.age >= -_CLOCKS_DIFFER else None


def answer_cache() -> AnswerCache:
    """Return the process's cache of REDIS_URL.

    Raises:
        configs.settings.SettingMissing: REDIS_URL is not set.
    """
    return _open_cache(settings().require("redis_url"))


@lru_cache(maxsize=2)
def _open_cache(_url: str) -> AnswerCache:
    return AnswerCache(open_redis(_ANSWER_SECONDS))


def digest_body(body: bytes) -> str:
    """Return the ETag of a body."""
    return hashlib.blake2b(body, digest_size=16).hexdigest()


def _name(key: str) -> str:
    return f"api:cache:{key}"


def _lock(key: str) -> str:
    return f"api:cache:{key}:lock"
