"""The clock of a whole stack, which a test moves ahead: hours pass in seconds."""

from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

ZONE = ZoneInfo("Europe/Paris")


class MovedClock:
    """The clock of all programs of a stack that have this file as CLOCK_OFFSET_FILE, and what they hold for the database's.

    The machine's stays as it is.
    """

    def __init__(self, file: Path, begins: time) -> None:
        """Begin with the next such hour in Paris."""
        self.file = file
        self._offset = timedelta(0)
        today = datetime.now(ZONE).date()
        choices = (datetime.combine(today + timedelta(days=days), begins, ZONE) for days in range(2))
        self.move_to(next(each for each in choices if each > datetime.now(UTC)))

    def read(self) -> datetime:
        """Return the present instant of the stack."""
        return datetime.now(UTC) + self._offset

    def move_to(self, moment: datetime) -> None:
        """Let it be this instant, which must not be over."""
        ahead = moment - self.read()
        assert ahead >= timedelta(0), f"{moment} was {-ahead} ago"
        self.move(ahead)

    def move(self, ahead: timedelta) -> None:
        """Let so much time pass."""
        self._offset += ahead
        part = self.file.with_suffix(".part")
        part.write_text(f"{self._offset.total_seconds()} {self._offset.total_seconds()}", "utf-8")
        part.replace(self.file)  # a program never reads half of it
