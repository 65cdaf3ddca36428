"""The calendars that answer in JSON: what a generated answer says is what is read, whatever the zone."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, time, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from configs.world.desk import Outcome
from crawler.platforms import example, platform
from crawler.reading import CoveredWindow, PageRequest, Reading
from tests.crawler.pages import TODAY, answer, play, visit
from tests.in_turn import in_turn

ZONES = [
    ZoneInfo(name) for name in ("Europe/Paris", "Indian/Reunion", "America/Martinique", "Pacific/Noumea")
]
WINDOW = CoveredWindow("", TODAY, TODAY + timedelta(days=5))
Moments = Sequence[datetime]


def real(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds")


def utc(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%S.000Z}"


def by_day(moments: Moments, write: Callable[[datetime], Any]) -> dict[str, list[Any]]:
    days: dict[str, list[Any]] = {f"{TODAY}": []}
    for moment in moments:
        days.setdefault(f"{moment.date()}", []).append(write(moment))
    return days


WRITERS: dict[str, Callable[[Moments], Any]] = {
    "doctolib": lambda moments: {
        "availabilities": [{"date": day, "slots": slots} for day, slots in by_day(moments, real).items()],
        "total": len(moments),
    },
    "keldoc": lambda moments: {"availabilities": by_day(moments, lambda at: {"start_time": real(at)})},
    "maiia": lambda moments: {"items": [{"startDateTime": utc(at)} for at in moments], "total": len(moments)},
    "citopia": lambda moments: {
        day: {"date": day, "availabilities": hours}
        for day, hours in by_day(
            moments, lambda at: {"start_at": f"{at:%Y-%m-%d %H:%M:%S}", "is_visible": True}
        ).items()
    },
    "orion": lambda moments: {
        "daySlots": [
            {"date": day, "slots": slots}
            for day, slots in by_day(moments, lambda at: {"start": at.isoformat()}).items()
            if slots
        ]
    },
    "synbird": lambda moments: {"timeSlots": [{"start_date": f"{at:%Y-%m-%dT%H:%M:%S%z}"} for at in moments]},
}
NAMES = sorted(WRITERS)
minutes = st.integers(9 * 60, 6 * 24 * 60 - 1)


def read(name: str, body: Any, zone: ZoneInfo = ZONES[0], status: int = 200) -> Reading:
    ask = PageRequest(platform(name).EXAMPLE, window=WINDOW)
    return answer(name, example(platform(name), TODAY, zone), ask, body, status)


@pytest.mark.parametrize("name", NAMES)
@given(offsets=st.sets(minutes, max_size=30), zone=st.sampled_from(ZONES))
def test_the_moments_of_an_answer_are_the_slots_that_are_read(
    name: str, offsets: set[int], zone: ZoneInfo
) -> None:
    start = datetime(TODAY.year, TODAY.month, TODAY.day, tzinfo=zone)
    moments = [start + timedelta(minutes=offset) for offset in offsets]
    if name == "orion":  # midnight may be a date that was written as an hour
        moments = [at for at in moments if at.time() != time.min]
    reading = read(name, WRITERS[name](moments), zone)
    assert {slot.starts_at for slot in reading.slots} == {at.astimezone(UTC) for at in moments}
    assert reading.outcome is (Outcome.SLOTS if moments else Outcome.NO_SLOTS)
    assert all((each.first, each.place_key) == (TODAY, "") for each in reading.covered)
    assert reading.covered


@in_turn("name", NAMES)
@in_turn("status", [401, 403, 404, 500, 503])
def test_no_answer_with_an_errors_status_proves_anything(name: str, status: int) -> None:
    reading = read(name, WRITERS[name]([datetime(2026, 11, 21, 9, tzinfo=UTC)]), status=status)
    assert (reading.slots, reading.covered, reading.asks) == ((), (), ())


def test_citopia_begins_with_a_session_and_names_it_in_each_week() -> None:
    reader = platform("citopia")
    seen = visit(reader.EXAMPLE, name="citopia", horizon=20, **reader.EXAMPLE_PARAMETERS)
    first = reader.first_request(seen)
    assert first.url == "https://pro.rendezvousonline.fr/api-web/auth/session"
    (week,) = answer("citopia", seen, first, {"session_id": "a&b"}).asks
    empty = {f"{TODAY}": {"date": f"{TODAY}", "availabilities": []}}
    for ask in (week, *answer("citopia", seen, week, empty).asks):
        asked = parse_qs(urlsplit(ask.url).query)
        assert (asked["session_id"], asked["reasons"], asked["direction"]) == (["a&b"], ['{"1":1}'], ["1"])
        assert asked["date"] == [f"{ask.window.first}" if ask.window else ""]


def test_an_agenda_that_cannot_be_read_hides_no_slot_of_the_others_and_proves_none_absent() -> None:
    odd = {"id": 6, "visit_motive_ids_by_practice_id": None}
    booking = {"data": {"agendas": [{"id": 5, "visit_motive_ids_by_practice_id": {"5": [1]}}, odd]}}
    seen = example(platform("doctolib"), TODAY, ZONES[0])

    def outcome(week: Any) -> Outcome:
        told = {"booking": booking, "week": week}
        return play("doctolib", seen, lambda ask: told[ask.step], limit=2)[0].outcome

    assert outcome(WRITERS["doctolib"]([datetime(2026, 11, 24, 9, tzinfo=ZONES[0])])) is Outcome.SLOTS
    assert outcome(WRITERS["doctolib"]([])) is Outcome.UNREADABLE


def test_the_body_is_what_the_widget_of_synbird_posts() -> None:
    desk: dict[str, Any] = {"company": 7, "prestation": 11, "places": [3, 5], "people": 2}
    at = "https://app.synbird.com/ville"
    asked = platform("synbird").first_request(visit(at, name="synbird", **desk))
    assert (asked.url.partition("/v")[0], asked.method) == ("https://ws.synbird.com", "POST")
    assert asked.json == {
        "transaction_id": "",
        "id_professional_company": 7,
        "id_professional_agenda": None,
        "id_professional_prestation": 11,
        "id_professional_place": [3, 5],
        "source_type": "widget",
        "duration": 91,
        "number_slots": 2,
        "display_time_slots_as_range": False,
        "additional_informations_start": [],
    }
