"""The sandbox's clock: aware UTC instants, and how they are written in JSON."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Final
from zoneinfo import ZoneInfo

# Every desk of the sandbox is in Île-de-France.
PARIS: Final = ZoneInfo("Europe/Paris")


def now() -> datetime:
    """Return this instant, aware, in UTC."""
    return datetime.now(UTC)


def today() -> date:
    """Return the date in Paris."""
    return now().astimezone(PARIS).date()


def as_utc(moment: datetime) -> str:
    """Write an instant as ISO 8601 with milliseconds and ``Z``."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def as_paris(seconds: int) -> str:
    """Write unix seconds as ISO 8601 with the offset of Paris."""
    return datetime.fromtimestamp(seconds, PARIS).isoformat()
