"""The one clock. Its value is passed on to Lua and SQL, so that a test that freezes it freezes everything."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

_instead: list[Callable[[], datetime]] = []


def clock() -> datetime:
    """Return the present instant: timezone-aware, UTC."""
    return _instead[-1]() if _instead else datetime.now(UTC)


@contextmanager
def going_by(source: Callable[[], datetime]) -> Iterator[None]:
    """Let the whole process live in another time, a simulation's, while the block lasts; `source` gives it, in UTC."""
    _instead.append(source)
    try:
        yield
    finally:
        _instead.remove(source)
