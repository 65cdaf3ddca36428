"""Parts of the status, read once for all operators who look at it at the same time.

Each reading takes most of a process's database connections for a moment.
"""

import time
from collections.abc import Callable
from threading import Lock

from api.health.status_report import Parts

_GOOD_FOR = 4.0  # seconds, less than the page waits before it asks again


class SharedParts:
    """The last reading of a process. One request reads; those that come meanwhile wait for what it found."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._parts: Parts = {}
        self._read_at = 0.0  # monotonic

    def read_parts(self, read: Callable[[], Parts]) -> Parts:
        """Return the parts as they were a moment ago."""
        with self._lock:
            if not self._parts or time.monotonic() - self._read_at > _GOOD_FOR:
                self._parts = read()
                self._read_at = time.monotonic()
            return self._parts
