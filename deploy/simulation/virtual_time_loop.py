"""An event loop whose time jumps to the next event instead of passing: nothing in it ever really waits.

What blocks the thread (SQL, Lua) takes no time at all in it; sockets of its own it has none.
"""

import asyncio
import selectors
from collections.abc import Coroutine
from datetime import datetime, timedelta
from typing import Any, TypeVar

from configs.clock import override_clock

T = TypeVar("T")


class NothingLeft(RuntimeError):
    """Everybody waits for something that no event will bring: a fault of the simulation."""


class _Jump(selectors.SelectSelector):
    """Waits by moving the loop's time."""

    now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise NothingLeft("no event is left: everybody waits for somebody else")
        self.now += timeout
        return []


class JumpingLoop(asyncio.SelectorEventLoop):
    """Its `time()` is in seconds since it was made; it counts from 0, because floats are finest there."""

    def __init__(self) -> None:
        self._jump = _Jump()
        super().__init__(self._jump)

    def time(self) -> float:
        """Return the seconds that have passed in here."""
        return self._jump.now


def simulate(work: Coroutine[Any, Any, T], begins: datetime) -> T:
    """Run to its end what begins at that instant (UTC); `clock()` tells the simulated time meanwhile.

    Raises:
        NothingLeft: it never ends.
    """
    loop = JumpingLoop()
    try:
        with override_clock(lambda: begins + timedelta(seconds=loop.time())):
            return loop.run_until_complete(work)
    finally:
        loop.close()
