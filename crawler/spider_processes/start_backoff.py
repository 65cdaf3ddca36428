"""Start back-off of a queue's spiders. Pure.

A start is open until its spider has run for SPIDER_SETTLED_SECONDS. With each failure in a row the pause before the
next start doubles, and so does the time that it has to come up: what keeps a machine busy is not repeated at once.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from configs.constants import Constant

# How often the keeper compares what runs with what should
KEEPER_SECONDS = Constant("KEEPER_SECONDS", 2.0)
# How long a spider process may say nothing of itself before it is replaced
_KEEPER_PATIENCE_SECONDS = Constant("KEEPER_PATIENCE_SECONDS", 60.0)
# Longest time that one may say nothing that is started after others were given up without a word
_KEEPER_PATIENCE_MAX_SECONDS = Constant("KEEPER_PATIENCE_MAX_SECONDS", 300.0)
# A spider process that ends within this time after its start is a sign of trouble: the next one is started later
_SPIDER_SETTLED_SECONDS = Constant("SPIDER_SETTLED_SECONDS", 120.0)
# Longest wait, from the end of one that failed, before a spider process is started that ended again and again
_SPIDER_PAUSE_SECONDS = Constant("SPIDER_PAUSE_SECONDS", 60.0)

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
        return self._patience if start and not start.heard else _KEEPER_PATIENCE_SECONDS()

    def see(self, running: Mapping[str, bool], now: datetime) -> None:
        """Learn which jobs run, and of each whether it speaks."""
        gone = self.open.keys() - running.keys()
        if gone:
            self.failed, self.over = self.failed + 1, now
        self.open = {job: each for job, each in self.open.items() if job not in gone}
        for job, each in list(self.open.items()):
            if not each.heard and running[job]:
                each.heard = now
            if each.heard and now - each.heard >= timedelta(seconds=_SPIDER_SETTLED_SECONDS()):
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
        if self.failed <= 1:  # it may have been an accident
            return 0
        return min(KEEPER_SECONDS() * _doubled(self.failed - 2), _SPIDER_PAUSE_SECONDS())

    @property
    def _patience(self) -> float:
        usual = _KEEPER_PATIENCE_SECONDS()
        return max(usual, min(usual * _doubled(self.failed), _KEEPER_PATIENCE_MAX_SECONDS()))


def _doubled(times: int) -> int:
    return 1 << min(times, _DOUBLED)
