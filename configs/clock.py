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
    return datetime.now(UTC) + _read_offset(_offset_files[0]) if _offset_files else datetime.now(UTC)


def use_offset_file(path: Path | None) -> None:
    """Step this process's clock by the seconds in a file (CLOCK_OFFSET_FILE), read at each call; None ends that.

    A missing file means no offset: a test sets a running program's clock without touching the machine's.
    """
    _offset_files[:] = [path] if path else []


def _read_offset(path: Path) -> timedelta:
    try:
        return timedelta(seconds=float(path.read_text("utf-8")))
    except FileNotFoundError:
        return timedelta(0)


@contextmanager
def override_clock(source: Callable[[], datetime]) -> Iterator[None]:
    """Let the whole process live in another time while the block lasts; `source` gives it, in UTC."""
    _instead.append(source)
    try:
        yield
    finally:
        _instead.remove(source)
