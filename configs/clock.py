"""The one clock. Its value is passed on to Lua and SQL, so that a test that freezes it freezes everything."""

from datetime import UTC, datetime


def clock() -> datetime:
    """Return the present instant: timezone-aware, UTC."""
    return datetime.now(UTC)
