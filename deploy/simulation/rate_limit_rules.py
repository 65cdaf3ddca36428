"""Rate limits of a simulated site: beyond so many requests or visits in a period it refuses everything for a while."""

from collections import deque
from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True, slots=True)
class Rule:
    """The `count`-th within `seconds` is refused, and then every request for `ban` seconds.

    `counts`: single requests, or visits (a visit begins with the conditions). `prolongs`: whoever asks during the
    ban begins it anew; the recorded site did not do that.
    """

    count: int
    seconds: float
    ban: float = 40 * 60
    counts: Literal["requests", "visits"] = "requests"
    prolongs: bool = False

    def __str__(self) -> str:
        return f"{self.count} {self.counts} in {self.seconds:g} s"


@dataclass(slots=True)
class RateLimitRule:
    """From when until when everything was refused, in seconds of the simulation."""

    begins: float
    ends: float


@dataclass(slots=True)
class Patience:
    """One site's memory of one rule."""

    rule: Rule
    bans: list[RateLimitRule] = field(default_factory=list)
    _recent: deque[float] = field(default_factory=deque)

    def bears(self, now: float, *, begins_visit: bool) -> bool:
        """Take a request; tell whether it is answered."""
        if self.bans and now < self.bans[-1].ends:
            if self.rule.prolongs:
                self.bans[-1].ends = now + self.rule.ban
            return False
        if self.rule.counts == "visits" and not begins_visit:
            return True
        while self._recent and self._recent[0] <= now - self.rule.seconds:
            self._recent.popleft()
        self._recent.append(now)
        if len(self._recent) < self.rule.count:
            return True
        self._recent.clear()
        self.bans.append(RateLimitRule(now, now + self.rule.ban))
        return False
