"""Status of the proof worker and its spool: persistent counters in a file, and the report that each keeper publishes.

The report is made on its own thread, because the spool's disk may hang.
"""

import logging
import platform
import threading
from datetime import UTC, date, datetime
from pathlib import Path
from urllib.parse import urlsplit

import redis
from pydantic import BaseModel, ConfigDict, ValidationError

from configs.clock import clock
from configs.proof_spool_status import SpoolReport, publish_report
from configs.settings import settings
from crawler.proofs.spool import Spool, spool

log = logging.getLogger(__name__)

_NAME = "diary.json"


class WorkerCounters(BaseModel):
    """The counters of one day (UTC)."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    day: date
    given_up: int = 0  # proofs that will never be stored
    pictureless: int = 0  # proofs that will never have a picture
    away_since: datetime | None = None  # start of the present store outage
    away: str = ""  # its error


class CounterFile:
    """The counters' file in the spool's folder. Only the worker writes it, and it outlives the worker."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / _NAME

    def read_notes(self) -> WorkerCounters:
        """Return today's counters; from an older day only the store outage is kept."""
        today = clock().date()
        try:
            notes = WorkerCounters.model_validate_json(self._path.read_bytes())
        except (OSError, ValidationError):  # no file yet, or half a file from a full disk
            return WorkerCounters(day=today)
        return (
            notes
            if notes.day == today
            else WorkerCounters(day=today, away_since=notes.away_since, away=notes.away)
        )

    def gave_up(self, proofs: int = 1) -> None:
        """Count proofs that will never be stored."""
        if proofs:
            notes = self.read_notes()
            self._write(notes.model_copy(update={"given_up": notes.given_up + proofs}))

    def pictureless(self) -> None:
        """Count a proof that will never have a picture."""
        notes = self.read_notes()
        self._write(notes.model_copy(update={"pictureless": notes.pictureless + 1}))

    def store_away(self, why: str) -> None:
        """Record a store outage; its start stays where one is recorded already."""
        notes = self.read_notes()
        since = notes.away_since or clock()
        self._write(notes.model_copy(update={"away_since": since, "away": why}))

    def store_back(self) -> None:
        """Record the end of a store outage."""
        notes = self.read_notes()
        if notes.away_since:
            self._write(notes.model_copy(update={"away_since": None, "away": ""}))

    def _write(self, notes: WorkerCounters) -> None:
        part = self._path.with_suffix(".part")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            part.write_text(notes.model_dump_json(), "utf-8")
            part.replace(self._path)
        except OSError as error:  # proofs are stored all the same
            log.debug("the proof counters cannot be written: %s", error)


log = logging.getLogger(__name__)


def watch_spool(client: redis.Redis, stop: threading.Event) -> threading.Thread:
    """Publish the spool's report each KEEPER_SECONDS, on a daemon thread."""
    thread = threading.Thread(target=_watch, args=(client, stop), name="proof-status", daemon=True)
    thread.start()
    return thread


def inspect_spool(at: Spool) -> SpoolReport:
    """Return the present report of a spool."""
    said = {"at": clock(), "machine": platform.node(), "store": store_name()}
    try:
        entries = at.waiting()
        proofs = [entry for entry in entries if not entry.only_picture]
        oldest = entries[0].left_at if entries else None
        notes = CounterFile(at.folder).read_notes()
        return SpoolReport(
            **said,
            waiting=len(proofs),
            oldest_at=oldest and datetime.fromtimestamp(oldest, UTC),
            unpictured=len(at.unpictured()),
            given_up=notes.given_up,
            pictureless=notes.pictureless,
            away_since=notes.away_since,
            away=notes.away,
            trouble=at.lacks_room() or "",
        )
    except OSError as error:
        return SpoolReport(**said, trouble=f"the spool cannot be read: {error}")


def store_name() -> str:
    """Return the store's address without anything that could be a secret."""
    given = settings().proofs_url or str(settings().state_dir.resolve() / "proofs" / "kept")
    url = urlsplit(given)
    place = f"{url.scheme}://{url.hostname or ''}{url.path}" if url.netloc else given
    at = settings().proofs_endpoint_url
    return f"{place} at {urlsplit(str(at)).hostname}" if at and url.netloc else place


def _watch(client: redis.Redis, stop: threading.Event) -> None:
    while not stop.is_set():
        try:
            publish_report(client, inspect_spool(spool()))
        except redis.RedisError as error:  # the keeper's own loop logs it, once
            log.debug("the spool's report is not published: %s", error)
        stop.wait(settings().keeper_seconds)
