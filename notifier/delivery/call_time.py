"""The time that a call of a provider has: shorter where another provider can take the messages over."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from configs.constants import Constant

# Longest time for a whole call to a provider: connecting, sending, and the answer to its last byte
PROVIDER_TIMEOUT_SECONDS = Constant("PROVIDER_TIMEOUT_SECONDS", 10.0)

_ends: ContextVar[float | None] = ContextVar("ends", default=None)


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Let what is called inside end in time."""
    token = _ends.set(time.monotonic() + seconds)
    try:
        yield
    finally:
        _ends.reset(token)


def seconds_left() -> float:
    """Return the seconds that are left of the call; PROVIDER_TIMEOUT_SECONDS outside of `within`."""
    ends = _ends.get()
    return PROVIDER_TIMEOUT_SECONDS() if ends is None else max(ends - time.monotonic(), 0.001)
