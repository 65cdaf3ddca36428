"""The calendars that answer in JSON: what a generated answer says is what is read, whatever the zone."""

import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from configs.outcome import Outcome
from crawler.platforms import example, platform
from crawler.reading import ANYWHERE, Ask, Covered, Page, Place, Reading, Visit
from crawler.walls import interpret
from tests.crawler.pages import TODAY

ZONES = [
    ZoneInfo(name) for name in ("Europe/Paris", "Indian/Reunion", "America/Martinique", "Pacific/Noumea")
]
WINDOW = Covered("", TODAY, TODAY + timedelta(days=5))
Moments = Sequence[datetime]


def real(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds")


def utc(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%S.000Z}"


def naive(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%S}"


def by_day(moments: Moments, write: Callable[[datetime], Any]) -> dict[str, list[Any]]:
    days: dict[str, list[Any]] = {f"{TODAY}": []}
    for moment in moments:
        days.setdefault(f"{moment.date()}", []).append(write(moment))
    return days


def midnight(moment: datetime) -> datetime:
    return moment.replace(hour=0, minute=0)


WRITERS: dict[str, Callable[[Moments], Any]] = {
    "doctolib": lambda moments: {
        "availabilities": [{"date": day, "slots": slots} for day, slots in by_day(moments, real).items()],
        "total": len(moments),
    },
    "keldoc": lambda moments: {"availabilities": by_day(moments, lambda at: {"start_time": real(at)})},
    "maiia": lambda moments: {"items": [{"startDateTime": utc(at)} for at in moments], "total": len(moments)},
    "ordoclic": lambda moments: {
        "slots": [{"timeStart": utc(at), "timeStartUtcOffset": 60} for at in moments],
        "nextAvailableSlotDate": None,
    },
    "mapharma": lambda moments: by_day(moments, lambda at: {"time": f"{at:%H:%M}", "places_dispo": 1}),
    "valwin": lambda moments: {
        "result": [{"start": naive(at)} for at in moments],
        "links": {"total": len(moments)},
    },
    "bimedoc": lambda moments: {"slots": [{"datetime": utc(at)} for at in moments]},
    "mesoigner": lambda moments: {
        "slots": [{day: s} for day, s in by_day(moments, lambda at: {"slot_beginning": real(at)}).items()],
        "total": len(moments),
    },
    "avecmondoc": lambda moments: (
        [
            {
                "start": utc(midnight(at)),
                "end": utc(midnight(at) + timedelta(days=1)),
                "slots": [{"isAvailable": True, "businessHours": {"start": utc(at)}}],
            }
            for at in moments
        ]
        or [
            {
                "start": utc(datetime(2026, 11, 20, 12, tzinfo=UTC)),
                "end": utc(datetime(2026, 11, 21, tzinfo=UTC)),
                "slots": [],
            }
        ]
    ),
}
NAMES = sorted(WRITERS)
minutes = st.integers(9 * 60, 6 * 24 * 60 - 1)


def answer(name: str, body: Any, zone: ZoneInfo = ZONES[0], window: Covered | None = WINDOW) -> Page:
    seen = example(platform(name), TODAY, zone)
    place = Place(window.place_key or "") if window else ANYWHERE
    return Page(seen.url, 200, json.dumps(body).encode(), seen, Ask(seen.url, place=place, window=window))


def read(name: str, body: Any, zone: ZoneInfo = ZONES[0]) -> Reading:
    return interpret(platform(name), answer(name, body, zone))


@pytest.mark.parametrize("name", NAMES)
@given(offsets=st.sets(minutes, max_size=30), zone=st.sampled_from(ZONES))
def test_the_moments_of_an_answer_are_the_slots_that_are_read(
    name: str, offsets: set[int], zone: ZoneInfo
) -> None:
    start = datetime(TODAY.year, TODAY.month, TODAY.day, tzinfo=zone)
    moments = [start + timedelta(minutes=offset) for offset in offsets]
    reading = read(name, WRITERS[name](moments), zone)
    assert {slot.starts_at for slot in reading.slots} == {at.astimezone(UTC) for at in moments}
    assert reading.outcome is (Outcome.SLOTS if moments else Outcome.NO_SLOTS)
    assert all((each.first, each.place_key) == (TODAY, "") for each in reading.covered)
    assert reading.covered


@pytest.mark.parametrize("name", NAMES)
@given(
    body=st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    ["slots", "items", "total", "availabilities", "date", "result", "links", "x"]
                ),
                inner,
                max_size=4,
            )
        ),
        max_leaves=8,
    )
)
def test_any_json_is_read_without_an_exception_and_gives_no_slot(name: str, body: Any) -> None:
    reading = read(name, body)
    assert "the reader failed" not in reading.reason
    assert not reading.slots


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("status", [401, 403, 404, 500, 503])
def test_no_answer_with_an_errors_status_proves_anything(name: str, status: int) -> None:
    page = answer(name, WRITERS[name]([datetime(2026, 11, 21, 9, tzinfo=UTC)]))
    refused = Page(page.url, status, page.body, page.visit, page.ask)
    reading = interpret(platform(name), refused)
    assert (reading.slots, reading.covered, reading.asks) == ((), (), ())


def visit(name: str, **more: Any) -> Visit:
    reader = platform(name)
    return Visit(reader.EXAMPLE, TODAY, parameters=reader.Parameters(**reader.EXAMPLE_PARAMETERS), **more)


@pytest.mark.parametrize("name", ["doctolib", "keldoc", "maiia"])
def test_an_address_of_another_shape_is_refused_in_words(name: str) -> None:
    bad = Visit("https://www.example.fr/", TODAY, parameters=visit(name).parameters)
    with pytest.raises(ValueError, match=r"https://www\.example\.fr/ is no \w+ address: it must be https://"):
        platform(name).first(bad)


def test_instants_are_asked_from_the_desks_own_midnight_on() -> None:
    desk = visit("maiia", zone=ZoneInfo("Indian/Reunion"))
    asked = parse_qs(urlsplit(platform("maiia").first(desk).url).query)
    assert asked["from"] == ["2026-11-19T20:00:00.000Z"]
    body = platform("ordoclic").first(visit("ordoclic")).json
    assert (body["dateStart"], body["dateEnd"]) == ("2026-11-19T23:00:00.000Z", "2027-01-08T23:00:00.000Z")


def test_practices_take_turns() -> None:
    agendas = [
        {"id": number, "booking_disabled": False, "visit_motive_ids_by_practice_id": {f"{number}": [1]}}
        for number in (5, 6, 7)
    ]
    page = answer("doctolib", {"data": {"agendas": agendas}}, window=None)
    later = Page(page.url, 200, page.body, visit("doctolib", turn=4), page.ask)
    assert [ask.place.key for ask in interpret(platform("doctolib"), page).asks] == ["5", "6", "7"]
    assert [ask.place.key for ask in interpret(platform("doctolib"), later).asks] == ["6", "7", "5"]
