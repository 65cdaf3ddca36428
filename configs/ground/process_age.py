"""Age limit of worker processes, after which the next one takes its place; signals that end them sooner."""

import random
import signal
import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from types import FrameType

from configs.ground.clock import clock
from configs.settings.constants import Constant

# Age at which a worker is replaced
_WORKER_AGE_SECONDS = Constant("WORKER_AGE_SECONDS", 3600.0)

SHORTEST = 0.8  # of WORKER_AGE_SECONDS


def leaves_at() -> datetime:
    """Return when a process that begins now leaves.

    Workers that started together must not leave together: no worker would be left for some seconds.
    """
    share = random.uniform(SHORTEST, 1)  # noqa: S311 -- spreads, protects nothing
    return clock() + timedelta(seconds=_WORKER_AGE_SECONDS() * share)


def on_stop_signals(act: Callable[[], None]) -> None:
    """Call `act` on SIGTERM and on SIGINT."""

    def handle(_number: int, _frame: FrameType | None) -> None:
        act()

    signal.signal(signal.SIGTERM, handle)
    signal.signal(signal.SIGINT, handle)


def repeat_until_old(turn: Callable[[], object], seconds: float, stopped: threading.Event) -> None:
    """Call `turn` every `seconds` until `stopped` is set, or until old."""
    end = leaves_at()
    while not stopped.wait(seconds) and clock() < end:
        turn()
