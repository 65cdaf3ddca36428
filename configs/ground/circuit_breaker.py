"""Circuit breaker that all processes share, in Redis: a provider that failed three times in a row is left alone.

So is one whose answers became slow: the median of its last twenty. After a rest one call, the probe, tries again; there
are never two. Without Redis each process decides alone.
https://learn.microsoft.com/en-us/azure/architecture/patterns/circuit-breaker
"""

from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from uuid import uuid4

import structlog
from redis.commands.core import Script
from redis.exceptions import RedisError

from configs.ground.clock import clock
from configs.ground.job_queues import redis
from configs.settings import SettingMissing
from configs.settings.constants import Constant

# A provider whose last twenty answers took longer in the median counts as failing
PROVIDER_SLOW_SECONDS = 3
# How long a provider that failed three times in a row is left alone; longer than a call may take
PROVIDER_REST_SECONDS = Constant("PROVIDER_REST_SECONDS", 15.0)

FAILURES = 3  # in a row that open it

log = structlog.get_logger(__name__)


class CircuitOpen(Exception):
    """The provider is left alone; `retry_after` seconds are left of its rest."""

    def __init__(self, name: str, retry_after: float) -> None:
        super().__init__(f"{name} failed {FAILURES} times in a row and is left alone for {retry_after:.0f} s")
        self.retry_after = retry_after


class CircuitBreaker:
    """The breaker of one provider. A rest must be longer than a call can take.

    Answers that take longer than `slow_seconds` in the median open it; 0: however slow they are.
    """

    def __init__(self, name: str, rest_seconds: float, slow_seconds: float = 0.0) -> None:
        self._name = name
        self._rest = rest_seconds
        self._slow = slow_seconds

    def begin_call(self) -> str:
        """Return the token of a call that may be made.

        Raises:
            CircuitOpen: it may not.
        """
        token = uuid4().hex
        wait = self._run("ask", token)
        if wait > 0:
            raise CircuitOpen(self._name, wait)
        return token

    def record_success(self, token: str, seconds: float = 0.0) -> None:
        """Close the breaker: the provider answered, after so long. A slow answer of many opens it."""
        self._run("success", token, seconds)

    def record_failure(self, token: str) -> None:
        """Count a call without an answer; the third in a row opens the breaker."""
        self._run("failure", token)

    def read_wait(self) -> float:
        """Return the seconds for which no call is made, without asking for one; 0 where one may be made."""
        return self._run("look", "")

    def is_open(self) -> bool:
        """Return whether no call has succeeded since it opened: during its rests, and between them."""
        try:
            failures = int(redis().hget(f"breaker:{self._name}", "failures") or 0)
        except (RedisError, SettingMissing):
            failures = local_breaker(self._name).failures
        return failures >= FAILURES

    def _run(self, happened: str, token: str, seconds: float = 0.0) -> float:
        now = clock().timestamp()
        given: list[str | float] = [happened, f"{now:.6f}", self._rest, FAILURES, token, seconds, self._slow]
        keys = [f"breaker:{self._name}", f"breaker:{self._name}:seconds"]
        try:
            return float(_script()(keys=keys, args=given, client=redis()))
        except RedisError as error:
            log.warning("own circuit breaker: Redis is away", of=self._name, because=type(error).__name__)
        except SettingMissing:
            pass  # a program that has no REDIS_URL shares no breaker with others
        return local_breaker(self._name).run(happened, now, self._rest, FAILURES)


@lru_cache(maxsize=1)
def _script() -> Script:
    return redis().register_script((files("configs.ground") / "circuit_breaker.lua").read_text("utf-8"))


@dataclass(slots=True)
class LocalBreaker:
    """The breaker of one process, while Redis is away: failures in a row, and until when nothing is called.

    That answers are slow is known only where all processes' times are together.
    """

    failures: int = 0
    rests_until: float = 0.0  # seconds since the epoch

    def run(self, happened: str, now: float, rest: float, most: int) -> float:
        """Return the seconds to wait, 0 where a call may be made, as circuit_breaker.lua does.

        An end of a rest that is further away than a rest comes from a clock that was set back: it is over.
        """
        left = self.rests_until - now
        waits = left if 0 < left <= rest else 0.0
        if happened == "success":
            self.failures = 0
        elif happened == "failure":
            self.failures += 1
        elif happened == "look":
            return waits if self.failures >= most else 0.0
        elif self.failures >= most and waits:
            return waits
        if self.failures >= most:
            self.rests_until = now + rest  # it has opened, or lets its probe go
        return 0.0


@lru_cache(maxsize=16)
def local_breaker(_name: str) -> LocalBreaker:
    """Return this process's breaker of a provider."""
    return LocalBreaker()
