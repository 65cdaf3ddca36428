"""Readings of recorded answers (see recordings.py)."""

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from crawler.block_pages import classify_page
from crawler.commands.read import describe
from crawler.platforms import platform
from crawler.reading import Page, PageRequest, Reading, VisitContext
from tests.crawler.pages import TODAY
from tests.crawler.recordings import RECORDINGS, Row, page_of, rows

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


@pytest.mark.parametrize(
    ("platform_name", "file", "parameters", "asked"),
    [
        ("doctolib", "doctolib/booking_one_doctor.json", {"motives": [496053]}, "agenda_ids=449621&practice_ids=30366"),
        ("keldoc", "keldoc/motive_categories_ain.json", {"clinic": 2737, "specialty": 144, "cabinet": 17136, "motive": 84923},
         "agenda_ids%5B%5D=49968&agenda_ids%5B%5D=50247&agenda_ids%5B%5D=49969"),
    ],
)  # fmt: skip
def test_a_recorded_list_of_agendas_leads_to_their_hours_in_its_order(
    platform_name: str, file: str, parameters: dict[str, Any], asked: str
) -> None:
    recorded = RECORDINGS / "doctolib-style" / file
    if not recorded.exists():
        pytest.skip(f"no recorded answers at {RECORDINGS}: set RECORDINGS to their folder")
    reader = platform(platform_name)
    visit = VisitContext(reader.EXAMPLE, TODAY, parameters=reader.Parameters(**parameters))
    reading = classify_page(
        reader, Page(visit.url, 200, recorded.read_bytes(), visit, PageRequest(visit.url))
    )
    assert asked in reading.asks[0].url
