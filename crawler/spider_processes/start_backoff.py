"""Start back-off of a queue's spiders. Pure.

A start is open until its spider has run for SPIDER_SETTLED_SECONDS. With each failure in a row the pause before the
next start doubles, and so does the time that it has to come up: what keeps a machine busy is not repeated at once.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from configs.settings import settings

_DOUBLED = 16  # times at most: no pause or patience is that long
_NEVER = datetime.min.replace(tzinfo=UTC)


@dataclass(slots=True)
class Start:
    """A start whose spider has not settled yet."""

    at: datetime
    heard: datetime | None = None  # when the spider first spoke


@dataclass(slots=True)
class StartBackoff:
    """Starts of one queue's spiders."""

    open: dict[str, Start] = field(default_factory=dict)  # by job
    over: datetime = _NEVER  # when one last failed
    failed: int = 0  # how many did in a row

    def may_start(self, now: datetime) -> bool:
        """Tell whether the next one may start: at once after the first failure, then ever later.

        A clock that was set back ends the pause.
        """
        return not timedelta() <= now - self.over < timedelta(seconds=self._pause)

    def begin(self, job: str, now: datetime) -> None:
        """Learn that a job was started."""
        self.open[job] = Start(now)

    def patience(self, job: str) -> float:
        """Return for how many seconds a job may be silent: longer than usual where it starts after others failed."""
        start = self.open.get(job)
        return self._patience if start and not start.heard else settings().keeper_patience_seconds

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
                if each.heard > self.over:  # else others failed since it came up
                    self.failed = 0

    def cancel(self, job: str) -> None:
        """Learn that a job was asked to end: who was heard of has not failed."""
        start = self.open.get(job)
        if start and start.heard:
            del self.open[job]

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
        return max(usual, min(usual * _doubled(self.failed), current.keeper_patience_max_seconds))


def _doubled(times: int) -> int:
    return 1 << min(times, _DOUBLED)
