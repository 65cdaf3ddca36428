"""The one clock. Its value is passed on to Lua and SQL, so that a test that freezes it freezes everything."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

_instead: list[Callable[[], datetime]] = []
_offset_files: list[Path] = []


def clock() -> datetime:
    """Return the present instant: timezone-aware, UTC."""
    if _instead:
        return _instead[-1]()
    return datetime.now(UTC) + read_offset()


def use_offset_file(path: Path | None) -> None:
    """Step this process's clock by the seconds in a file (CLOCK_OFFSET_FILE), read at each call; None ends that.

    A second number steps what this process holds for the database's clock. A missing file means no offset: a test sets
    a running program's clock without touching the machine's.
    """
    _offset_files[:] = [path] if path else []


def read_offset(*, of_database: bool = False) -> timedelta:
    """Return by how much the offset file steps our clock, or the database's."""
    try:
        numbers = _offset_files[0].read_text("utf-8").split() if _offset_files else []
    except FileNotFoundError:
        numbers = []
    return timedelta(seconds=float(numbers[of_database])) if len(numbers) > of_database else timedelta(0)


@contextmanager
def override_clock(source: Callable[[], datetime]) -> Iterator[None]:
    """Let the whole process live in another time while the block lasts; `source` gives it, in UTC."""
    _instead.append(source)
    try:
        yield
    finally:
        _instead.remove(source)
