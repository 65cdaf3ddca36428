"""What readers must say of recorded answers, which are no part of this repository: RECORDINGS says where they are."""

import csv
import os
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from crawler.platforms import platform, platforms
from crawler.reading import Ask, Page, Reading, Visit
from crawler.walls import interpret
from tests.crawler.pages import TODAY

ROOT = Path(__file__).parents[2]
RECORDINGS = Path(os.environ.get("RECORDINGS") or ROOT.parent / "shared" / "booking-systems" / "fixtures")
PARIS = ZoneInfo("Europe/Paris")

pytestmark = pytest.mark.recordings


@dataclass(frozen=True)
class Row:
    """One line of expected.csv; `first` and `last` are wall clocks of Paris, or dates."""

    file: str
    platform: str
    status: int
    outcomes: frozenset[str | None]
    slots: int
    first: str
    last: str

    def __str__(self) -> str:
        return f"{self.platform}:{Path(self.file).name}:{self.status}"


def rows() -> list[Row]:
    listed = RECORDINGS / "expected.csv"
    if not listed.exists():
        return []
    found = []
    for line in csv.DictReader(listed.read_text(encoding="utf-8").splitlines()):
        statuses = {int(line["status"])} | (
            {200} if "also with status 200" in (line["note"] or "") else set()
        )
        outcomes = frozenset(None if name == "null" else name for name in line["outcome"].split("|"))
        found += [
            Row(
                line["file"],
                line["platform"],
                status,
                outcomes,
                int(line["slots"]),
                line["first"],
                line["last"],
            )
            for status in sorted(statuses)
            if line["platform"] in platforms()
        ]
    return found


def read(row: Row) -> Reading:
    reader = platform(row.platform)
    visit = Visit(reader.EXAMPLE, TODAY, parameters=reader.Parameters())
    body = (RECORDINGS / row.file).read_bytes()
    return interpret(reader, Page(visit.url, row.status, body, visit, Ask(visit.url)))


def wall_clock(reading: Reading) -> list[str]:
    moments = [slot.moment for slot in reading.slots if slot.moment is not None]
    return sorted(
        f"{m.astimezone(PARIS):%Y-%m-%dT%H:%M}" if isinstance(m, datetime) else m.isoformat() for m in moments
    )


def test_the_recordings_are_there() -> None:
    if not RECORDINGS.is_dir():
        pytest.skip(f"no recorded answers at {RECORDINGS}: set RECORDINGS to their folder")
    assert rows()


@pytest.mark.parametrize("row", rows(), ids=str)
def test_a_recorded_answer_is_read_as_expected(row: Row) -> None:
    reading = read(row)
    assert (str(reading.outcome) if reading.outcome else None) in row.outcomes, reading.reason
    assert len(reading.slots) == row.slots
    shown = wall_clock(reading)
    assert (shown[:1], shown[-1:]) == ([row.first] if row.first else [], [row.last] if row.last else [])


def test_the_recorded_page_without_slots_gives_the_sentence_as_its_reason() -> None:
    row = next((row for row in rows() if "step2_no_slot" in row.file), None)
    if row is None:
        pytest.skip(f"no recorded answers at {RECORDINGS}: set RECORDINGS to their folder")
    assert read(row).reason.startswith("Il n'existe plus de plage horaire libre")
