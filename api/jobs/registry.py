"""The registry of background jobs: each with its schedule."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from api.models.job import MAINTENANCE
from configs.settings import Constant

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
Counts = dict[str, int]
Period = timedelta | Constant[timedelta]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_PARIS = ZoneInfo("Europe/Paris")


@dataclass(frozen=True, slots=True)
class Job:
    """A function that is due at each whole multiple of a period, in UTC, or at an hour of each day in Paris."""

    name: str
    run: Callable[[], Counts]  # returns counts for its row
    every: Period
    queue: str = MAINTENANCE
    hour: int | None = None  # in Paris, whatever the clocks there do; `every` is a day
    is_long: bool = False  # it may work for minutes although it is due each minute

    @property
    def period(self) -> timedelta:
        """The time between two due times."""
        return self.every if isinstance(self.every, timedelta) else self.every()

    def find_due_time(self, now: datetime) -> datetime:
        """Return the newest instant, up to now, at which the job is due."""
        if self.hour is None:
            return now - (now - _EPOCH) % self.period
        today = now.astimezone(_PARIS).date()
        due = self._on(today)
        return due if due <= now else self._on(today - DAY)

    def find_next(self, now: datetime) -> datetime:
        """Return the next instant, after now, at which it is due."""
        if self.hour is None:
            return self.find_due_time(now) + self.period
        today = now.astimezone(_PARIS).date()
        due = self._on(today)
        return due if due > now else self._on(today + DAY)

    def _on(self, day: date) -> datetime:
        return datetime.combine(day, time(self.hour or 0), _PARIS).astimezone(UTC)


JOBS: dict[str, Job] = {}


def job(
    name: str = "",
    *,
    every: Period = DAY,
    at_hour: int | None = None,
    queue: str = MAINTENANCE,
    is_long: bool = False,
) -> Callable[[Callable[[], Counts]], Callable[[], Counts]]:
    """Put a function on the schedule, by its own name or this one: each period, or each day at an hour in Paris."""

    def add(run: Callable[[], Counts]) -> Callable[[], Counts]:
        each = Job(name or run.__name__, run, every, queue, at_hour, is_long)
        JOBS[each.name] = each
        return run

    return add
