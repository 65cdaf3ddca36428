"""Start back-off of a queue's spiders. Pure.

A start is open until its spider has run for SPIDER_SETTLED_SECONDS. Restarts back off exponentially from the end of the
last failure; the start-up time-out doubles after each time-out.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from configs.settings import settings

_DOUBLED = 16  # times at most: no pause or patience is that long
_NEVER = datetime.min.replace(tzinfo=UTC)


@dataclass(slots=True)
class Try:
    """A start whose spider has not settled yet: when it was, and when the spider was first heard of."""

    begun: datetime
    heard: datetime | None = None


@dataclass(slots=True)
class Tries:
    """Starts of one queue's spiders.

    `open`: the tries, by job. `over`: when one last failed. `failed`: how many did in a row. `unheard`: how many
    timed out; one less with each that settles.
    """

    open: dict[str, Try] = field(default_factory=dict)
    over: datetime = _NEVER
    failed: int = 0
    unheard: int = 0

    def may_start(self, now: datetime) -> bool:
        """Tell whether the next one may start: at once after the first failure, then ever later."""
        return now - self.over >= timedelta(seconds=self._pause)

    def begin(self, job: str, now: datetime) -> None:
        """Learn that a job was started."""
        self.open[job] = Try(now)

    def starting(self, now: datetime) -> bool:
        """Tell whether a spider is on its way that may still be heard of."""
        patience = timedelta(seconds=self._patience)
        return any(not each.heard and now - each.begun <= patience for each in self.open.values())

    def patience(self, job: str) -> float:
        """Return for how many seconds a job may be silent: longer than usual where it starts after others failed."""
        tried = self.open.get(job)
        return self._patience if tried and not tried.heard else settings().keeper_patience_seconds

    def see(self, running: Mapping[str, bool], now: datetime) -> None:
        """Learn which jobs run, and of each whether it speaks."""
        gone = self.open.keys() - running.keys()
        if gone:
            self.failed, self.over = self.failed + 1, now
        self.open = {job: each for job, each in self.open.items() if job not in gone}
        for job, each in list(self.open.items()):
            if not each.heard and running[job]:
                each.heard = now
            if each.heard and now - each.heard >= timedelta(seconds=settings().spider_settled_seconds):
                del self.open[job]
                self._settled(each.heard)

    def given_up(self, job: str) -> None:
        """Learn that a job was asked to end: who was heard of has not failed."""
        tried = self.open.get(job)
        if tried and tried.heard:
            del self.open[job]
        elif tried:
            self.unheard += 1

    def _settled(self, heard: datetime) -> None:
        if heard > self.over:  # else others failed since it came up
            self.failed, self.unheard = 0, max(0, self.unheard - 1)

    @property
    def _pause(self) -> float:
        current = settings()
        if self.failed <= 1:  # it may have been an accident
            return 0
        return min(current.keeper_seconds * _doubled(self.failed - 2), current.spider_pause_seconds)

    @property
    def _patience(self) -> float:
        current = settings()
        usual = current.keeper_patience_seconds
        return max(usual, min(usual * _doubled(self.unheard), current.keeper_patience_max_seconds))


def _doubled(times: int) -> int:
    return 1 << min(times, _DOUBLED)
