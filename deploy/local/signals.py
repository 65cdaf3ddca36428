"""Signals that stop a stack: Ctrl-C, SIGTERM, a terminal that is closed."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class StopRequested(BaseException):
    """Somebody asked us to stop. No Exception: who catches those would swallow it."""


def listen() -> None:
    """Raise StopRequested, from now on, when somebody asks us to stop."""
    for signum in _SIGNALS:
        signal.signal(signum, _stop)


def _stop(_signum: int, _frame: object) -> None:
    raise StopRequested


@contextmanager
def deaf() -> Iterator[None]:
    """Finish the block whatever is asked: an impatient second Ctrl-C must not leave processes behind."""
    if threading.current_thread() is not threading.main_thread():
        yield  # signals come to the main thread only, and only it may choose what they do
        return
    before = {signum: signal.signal(signum, signal.SIG_IGN) for signum in _SIGNALS}
    try:
        yield
    finally:
        for signum, handler in before.items():
            signal.signal(signum, handler)
