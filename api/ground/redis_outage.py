"""Outage of Redis as a process sees it: one request at a time waits for it, the others do not."""

import threading
import time

AWAY_SECONDS = 2.0  # after a failure, in which Redis is left alone


class RedisOutage:
    """Whether Redis answers, for all threads of a process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ask_at: float | None = None  # of the monotonic clock; None while Redis answers

    def may_ask(self) -> bool:
        """Return whether to ask Redis; during an outage this is one thread's turn each AWAY_SECONDS."""
        with self._lock:
            if self._ask_at is None:
                return True
            if time.monotonic() < self._ask_at:
                return False
            self._ask_at = time.monotonic() + AWAY_SECONDS
            return True

    def note(self, *, answers: bool) -> None:
        """Note whether Redis has answered."""
        with self._lock:
            self._ask_at = None if answers else time.monotonic() + AWAY_SECONDS
