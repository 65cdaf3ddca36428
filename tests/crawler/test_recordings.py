"""Readings of recorded answers (see golden.py)."""

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from crawler.classification import classify_page
from crawler.commands.read import describe
from crawler.platforms import platform
from crawler.reading import Reading
from tests.crawler.golden import RECORDINGS, Row, page_of, rows

PARIS = ZoneInfo("Europe/Paris")

pytestmark = pytest.mark.recordings


def read(row: Row) -> Reading:
    return classify_page(platform(row.platform), page_of(row))


def wall_clock(reading: Reading) -> list[str]:
    moments = [slot.moment for slot in reading.slots if slot.moment is not None]
    return sorted(
        f"{m.astimezone(PARIS):%Y-%m-%dT%H:%M}" if isinstance(m, datetime) else m.isoformat() for m in moments
    )


def test_the_recordings_are_there() -> None:
    if not RECORDINGS.is_dir():
        pytest.skip(f"no recorded answers at {RECORDINGS}: set RECORDINGS to their folder")
    assert rows()


@pytest.mark.rule("3.2")
@pytest.mark.parametrize("row", rows(), ids=str)
def test_a_recorded_answer_is_read_as_expected(row: Row) -> None:
    reading = read(row)
    assert (str(reading.outcome) if reading.outcome else None) in row.outcomes, reading.reason
    assert len(reading.slots) == row.slots
    shown = wall_clock(reading)
    assert (shown[:1], shown[-1:]) == ([row.first] if row.first else [], [row.last] if row.last else [])


@pytest.mark.parametrize("row", [row for row in rows() if row.next], ids=str)
def test_a_recorded_hint_is_followed(row: Row) -> None:
    said = describe(read(row), PARIS)["next"]
    assert said[0]["at"].startswith(row.next)
    assert said[1]["url"]
