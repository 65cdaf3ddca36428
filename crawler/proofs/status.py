"""What the worker remembers for whoever asks how it fares: since when its store is away, what it gave up today."""

import logging
from datetime import date, datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from configs.clock import clock

log = logging.getLogger(__name__)

_NAME = "diary.json"


class Notes(BaseModel):
    """The diary's one page. `given_up`, `pictureless`: of `day` (UTC)."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    day: date
    given_up: int = 0
    pictureless: int = 0
    away_since: datetime | None = None
    away: str = ""


class Diary:
    """A file in the spool's folder; it outlives the worker, which alone writes it."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / _NAME

    def read_notes(self) -> Notes:
        """Return today's notes; of another day only whether the store is away."""
        today = clock().date()
        try:
            notes = Notes.model_validate_json(self._path.read_bytes())
        except (OSError, ValidationError):  # nothing was noted, or half of it on a disk that was full
            return Notes(day=today)
        return notes if notes.day == today else Notes(day=today, away_since=notes.away_since, away=notes.away)

    def gave_up(self, proofs: int = 1) -> None:
        """Note proofs that will never be stored."""
        if proofs:
            notes = self.read_notes()
            self._write(notes.model_copy(update={"given_up": notes.given_up + proofs}))

    def pictureless(self) -> None:
        """Note a proof that will never have a picture."""
        notes = self.read_notes()
        self._write(notes.model_copy(update={"pictureless": notes.pictureless + 1}))

    def store_away(self, why: str) -> None:
        """Note that the store takes nothing; since when, if it is not known already."""
        notes = self.read_notes()
        since = notes.away_since or clock()
        self._write(notes.model_copy(update={"away_since": since, "away": why}))

    def store_back(self) -> None:
        """Note that it does again."""
        notes = self.read_notes()
        if notes.away_since:
            self._write(notes.model_copy(update={"away_since": None, "away": ""}))

    def _write(self, notes: Notes) -> None:
        part = self._path.with_suffix(".part")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            part.write_text(notes.model_dump_json(), "utf-8")
            part.replace(self._path)
        except OSError as error:  # nothing that a proof should wait for
            log.debug("the diary cannot be written: %s", error)
