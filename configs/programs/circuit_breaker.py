"""Circuit breaker: a provider that failed three times in a row, or became slow, is left alone, then tried by one call.

One that asks for a wait is left alone for that, for fifteen minutes at most.

All processes share this in Redis; without it nothing is left alone.
https://learn.microsoft.com/en-us/azure/architecture/patterns/circuit-breaker
"""

import logging
from uuid import uuid4

from redis.exceptions import RedisError

from configs.ground.clock import clock
from configs.ground.redis import read_script, redis
from configs.settings import Constant, SettingMissing

# A provider whose last twenty answers took longer in the median counts as failing
PROVIDER_SLOW_SECONDS = 3
# How long a provider that failed three times in a row is left alone; longer than a call may take
provider_rest_seconds = Constant("PROVIDER_REST_SECONDS", 15.0)
FAILURES_IN_A_ROW = 3  # in a row, after which a provider is left alone

log = logging.getLogger(__name__)


class CircuitOpen(Exception):
    """The provider is left alone; `retry_after` seconds are left of its rest."""

    def __init__(self, name: str, retry_after: float) -> None:
        super().__init__(f"{name} is left alone for {retry_after:.0f} s")
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

    def record_flood(self, seconds: float) -> None:
        """Make no call for so long, as the provider asked; for fifteen minutes at most."""
        self._run("flood", "", seconds)

    def read_wait(self) -> float:
        """Return the seconds for which no call is made, without asking for one; 0 where one may be made."""
        return self._run("look", "")

    def is_open(self) -> bool:
        """Return whether no call has succeeded since it opened: during its rests, and between them."""
        try:
            return int(redis().hget(f"breaker:{self._name}", "failures") or 0) >= FAILURES_IN_A_ROW
        except (RedisError, SettingMissing):
            return False

    def _run(self, happened: str, token: str, seconds: float = 0.0) -> float:
        now = clock().timestamp()
        given: list[str | float] = [
            happened,
            f"{now:.6f}",
            self._rest,
            FAILURES_IN_A_ROW,
            token,
            seconds,
            self._slow,
        ]
        keys = [f"breaker:{self._name}", f"breaker:{self._name}:seconds"]
        try:
            return float(
                read_script("configs.programs", "circuit_breaker")(keys=keys, args=given, client=redis())
            )
        except RedisError as error:
            log.warning("no circuit breaker of %s: Redis is away (%s)", self._name, type(error).__name__)
        except SettingMissing:
            pass  # a program that has no REDIS_URL leaves nothing alone
        return 0.0
