"""What readers must say of recorded answers (see recordings.py)."""

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from crawler.platforms import platform
from crawler.reading import Reading
from crawler.walls import interpret
from tests.crawler.recordings import RECORDINGS, Row, page_of, rows

PARIS = ZoneInfo("Europe/Paris")

pytestmark = pytest.mark.recordings


def read(row: Row) -> Reading:
    return interpret(platform(row.platform), page_of(row))


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
