"""Scale of processes of one kind: one more after some minutes of need, and one fewer long after it.

What need is, the program says: work that is late, and a core that is free. Without a free core one more process
makes all others slower.
"""

import os
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from configs.settings import settings


@dataclass(frozen=True, slots=True)
class ProcessScale:
    """How many processes run beyond the least, and since when they have been needed, or have not."""

    extra: int = 0
    is_needed: bool = False
    since: datetime | None = None  # None: nothing was observed yet

    def observe(self, is_needed: bool, now: datetime, most: int) -> "ProcessScale":
        """Return the scale after an observation of whether one more would help; `most`: of `extra`.

        SCALE_UP_SECONDS of need add one process, SCALE_DOWN_SECONDS without need take one away. Both count from the
        last change, and anew where the clock was set back.
        """
        extra = min(self.extra, most)
        if self.since is None or is_needed is not self.is_needed or now < self.since:
            return ProcessScale(extra, is_needed, now)
        current = settings()
        seconds = current.scale_up_seconds if is_needed else current.scale_down_seconds
        if now - self.since < timedelta(seconds=seconds):
            return replace(self, extra=extra)
        return ProcessScale(min(extra + 1, most) if is_needed else max(extra - 1, 0), is_needed, now)


def count_cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def has_free_core() -> bool:
    """Tell whether fewer processes want a core than there are, averaged over the last minute."""
    return os.getloadavg()[0] < count_cores()
