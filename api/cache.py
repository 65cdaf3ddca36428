"""Cache of public answers in Redis: old by `max_age` at most, built by one process at a time, optional.

A body whose build takes over a second is kept for longer, so that builds of it take an eighth of a core at most.
A body is built again when two fifths of its age are over, by whichever request comes first; the others get the old one
meanwhile. Until then a process answers from its own memory, once it has read or built the body. Without Redis each
request builds its own.
"""

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import lru_cache
from time import perf_counter
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
_REFILL_SHARE = 0.4
_SLOW_BUILD = 1.0  # seconds: a build that takes longer is slow
_SLOW_BUILDS_KEPT = 20  # its body is kept for as many times the seconds that it took…
_LONGEST_KEPT = 60.0  # …and for no longer than so many seconds, unless `max_age` is longer
_CLOCKS_DIFFER = 1.0  # seconds, between machines
_ANSWER_SECONDS = 1  # that a request waits for Redis
# After so long a process that builds the first body counts as dead. One that builds a body again counts as dead before
# the body that the others take meanwhile is too old.
_LOCK_SECONDS = 3
_PATIENCE = 5.0  # seconds that a request waits for another process to build
_POLL = 0.02
_MOST_HELD = 128  # bodies in a process's memory; where there are more, Redis has them
log = structlog.get_logger(__name__)

Build = Callable[[], bytes]


@dataclass(frozen=True, slots=True)
class CachedBody:
    """A body, a digest of it, the instant from before it was built, where it comes from, how long it is kept."""

    body: bytes
    etag: str
    built_at: datetime
    source: Literal["hit", "miss", "bypass"]
    lasts: float  # seconds

    @property
    def age(self) -> float:
        """Return how many seconds ago its data was true for certain."""
        return (clock() - self.built_at).total_seconds()


class AnswerCache:
    """The bodies of one Redis, for all threads of a process."""

    def __init__(self, client: Redis) -> None:
        self._client = client
        self._outage = RedisOutage()
        self._held: dict[str, CachedBody] = {}

    def get(self, key: str, build: Build, max_age: float = MAX_AGE) -> CachedBody:
        """Return a body that is at most `max_age` seconds old, longer only where its build is slow.

        Raises:
            Exception: whatever `build` raises.
        """
        held = self._held.get(key)
        if held and _is_fresh(held):
            return held
        if not self._outage.may_ask():
            return _make(build, "bypass", max_age)
        end = time.monotonic() + _PATIENCE
        while True:
            try:
                found, turn = self._find_or_lock(key)
                self._outage.note(answers=True)
            except RedisError as error:
                self._note_outage(error)
                return _make(build, "bypass", max_age)
            if turn:
                return self._hold(key, self._refill(key, build, max_age, turn))
            if found:
                return self._hold(key, found)
            if time.monotonic() >= end:
                return _make(build, "bypass", max_age)
            time.sleep(_POLL)

    def _hold(self, key: str, found: CachedBody) -> CachedBody:
        """Keep a body in memory, where the next requests find it; return it."""
        if len(self._held) >= _MOST_HELD:
            self._held.clear()
        self._held[key] = replace(found, source="hit")
        return found

    def _find_or_lock(self, key: str) -> tuple[CachedBody | None, int]:
        """Return the body if it is not too old, and for how many seconds this process has the turn to build it again.

        0 seconds: it is not its turn.
        """
        found = self._read_body(key)
        if found and _is_fresh(found):
            return found, 0
        turn = _find_lock_seconds(found)
        if not self._client.set(_lock(key), "1", nx=True, ex=turn):
            return found, 0
        # Another process may have built it between the two steps.
        again = self._read_body(key)
        if again and _is_fresh(again):
            self._client.delete(_lock(key))
            return again, 0
        return None, turn

    def _refill(self, key: str, build: Build, max_age: float, turn: int) -> CachedBody:
        began = time.monotonic()
        try:
            made = _make(build, "miss", max_age)
            head = f"{made.built_at.timestamp()} {made.lasts} {made.etag}\n".encode()
            self._attempt(lambda: self._client.set(_name(key), head + made.body, px=round(made.lasts * 1000)))
            return made
        finally:
            if time.monotonic() - began < turn:  # later the lock may be another's
                self._attempt(lambda: self._client.delete(_lock(key)))

    def _read_body(self, key: str) -> CachedBody | None:
        kept = self._client.get(_name(key))
        if not isinstance(kept, bytes):
            return None
        head, _, body = kept.partition(b"\n")
        try:
            built_at, lasts, etag = head.decode().split(" ")
            at = datetime.fromtimestamp(float(built_at), UTC)
            found = CachedBody(body, etag, at, "hit", float(lasts))
        except ValueError:
            return None  # another program's value, or a damaged one
        return found if -_CLOCKS_DIFFER <= found.age < found.lasts else None

    def _attempt(self, act: Callable[[], object]) -> None:
        try:
            act()
        except RedisError as error:
            self._note_outage(error)

    def _note_outage(self, error: RedisError) -> None:
        log.warning("public answers are built each time, Redis does not answer", because=type(error).__name__)
        self._outage.note(answers=False)


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


def _is_fresh(found: CachedBody) -> bool:
    """Return whether a body needs not be built again yet."""
    return -_CLOCKS_DIFFER <= found.age < _REFILL_SHARE * found.lasts


def _find_lock_seconds(found: CachedBody | None) -> int:
    return max(_LOCK_SECONDS, int(found.lasts - found.age)) if found else _LOCK_SECONDS


def _make(build: Build, source: Literal["miss", "bypass"], max_age: float) -> CachedBody:
    built_at, began = clock(), perf_counter()
    body = build()
    took = perf_counter() - began
    lasts = max(max_age, min(_LONGEST_KEPT, _SLOW_BUILDS_KEPT * took)) if took > _SLOW_BUILD else max_age
    return CachedBody(body, digest_body(body), built_at, source, lasts)


def _name(key: str) -> str:
    return f"api:cache:{key}"


def _lock(key: str) -> str:
    return f"api:cache:{key}:lock"
