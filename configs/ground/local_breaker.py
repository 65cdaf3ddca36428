"""Circuit breaker of one process, for the time in which Redis, and with it the shared one, is away.

It counts failures only: that answers are slow is known where all processes' times are together.
"""

from dataclasses import dataclass
from functools import lru_cache


@dataclass(slots=True)
class LocalBreaker:
    """Failures in a row, as this process met them, and until when nothing is called."""

    failures: int = 0
    rests_until: float = 0.0  # seconds since the epoch

    def run(self, happened: str, now: float, rest: float, most: int) -> float:
        """Return the seconds to wait, 0 where a call may be made, as configs/ground/circuit_breaker.lua does.

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
