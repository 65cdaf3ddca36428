"""Orion: a day that holds anything is open; its moments are read where they are sure; pages lead on while full."""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from configs.world.desk import Outcome
from crawler.platforms import platform
from crawler.platforms.orion import sure_moment
from crawler.reading import CoveredWindow, Reading, VisitContext
from tests.crawler import pages
from tests.crawler.pages import TODAY, answer
from tests.in_turn import in_turn

ORION = platform("orion")
ZONES = [
    ZoneInfo(name) for name in ("Europe/Paris", "Indian/Reunion", "America/Martinique", "Pacific/Noumea")
]
WHOLE = CoveredWindow("", TODAY, TODAY + timedelta(days=90))
URL = "https://esii-orion.com/orion-reservation/slots?account=EVMSPI&config=REMISE&usemode=app&code=REN1"


def visit(url: str = URL) -> VisitContext:
    return pages.visit(url, name="orion", **ORION.EXAMPLE_PARAMETERS)


def read(body: Any) -> Reading:
    return answer("orion", visit(), ORION.first_request(visit()), body)


@given(
    days=st.lists(
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.just("2026-11-24T09:30:00Z"),
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(
                    st.sampled_from(["date", "slots", "start", "end", "key"]), inner, max_size=4
                )
            ),
            max_leaves=8,
        ),
        min_size=1,
        max_size=5,
    )
)
def test_any_days_are_open_or_understood_by_no_rule_and_never_none(days: list[Any]) -> None:
    reading = read({"daySlots": days})
    assert "the reader failed" not in reading.reason
    assert reading.outcome in (Outcome.SLOTS, Outcome.UNREADABLE)
    assert {slot.moment for slot in reading.slots} <= {None, date(2026, 11, 24)}
    assert bool(reading.slots) is (reading.outcome is Outcome.SLOTS)
    assert not reading.covered or all(slot.moment for slot in reading.slots)


HOUR = {"start": "2026-11-24T09:30:00Z"}


@pytest.mark.rule("3.2")
@in_turn(
    "day",
    [
        {"date": "2026-11-24", "available": False, "slots": [HOUR]},
        {"date": "2026-11-24", "slots": [HOUR | {"free": 0}]},
        HOUR | {"isFull": True},
        HOUR | {"remaining": 0},
    ],
)
def test_what_is_marked_as_taken_is_no_slot(day: dict[str, Any]) -> None:
    assert read({"daySlots": [day]}).slots == ()


def test_the_body_is_what_the_page_posts() -> None:
    asked = ORION.first_request(visit())
    assert asked.url == "https://esii-orion.com/orion/api/1/rdv/bookings/availableSlotByDay"
    assert (asked.method, asked.window) == ("POST", WHOLE)
    assert (asked.headers["Origin"], asked.headers["Referer"]) == ("https://esii-orion.com", URL)
    everywhere = ORION.first_request(visit(url=URL.removesuffix("&code=REN1")))
    for request, places in ((asked, ["REN1"]), (everywhere, [])):
        assert request.json == {
            "date": None,
            "numberOfDay": 91,
            "accountId": "EVMSPI",
            "configId": "0",
            "purposes": [{"id": "0"}],
            "duration": 20,
            "filterRequest": {
                "filterChannel": ["PHYSICAL"],
                "filterDay": [1, 2, 3, 4, 5],
                "filterPlaceCode": places,
                "filterPlaceUrlCode": places,
            },
            "maxElement": "100",
            "indexPagination": 1,
            "slotsPerPage": 100,
        }


@in_turn("purposes, said", [([], "at least 1 item"), ([{"name": "x"}], "has no `id`: copy the whole object")])
def test_purposes_that_were_not_captured_whole_are_refused(purposes: Any, said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        ORION.Parameters(**{**ORION.EXAMPLE_PARAMETERS, "purposes": purposes})


CAYENNE = ZoneInfo("America/Cayenne")
DAY = date(2026, 11, 24)


@in_turn(
    "text, paris, cayenne",
    [
        ("2026-11-24", DAY, DAY),
        ("2026-11-24T09:30:00+01:00", datetime(2026, 11, 24, 8, 30, tzinfo=UTC), DAY),
        ("2026-11-24T09:30:00.000+0100", datetime(2026, 11, 24, 8, 30, tzinfo=UTC), DAY),
        ("2026-11-24T09:30:00+02:00", DAY, DAY),
        ("2026-11-24T09:30:00Z", DAY, DAY),
        ("2026-11-24T09:30:00", DAY, DAY),
        ("2026-11-24 09:30", DAY, DAY),
        ("2026-11-24T00:00:00+01:00", DAY, None),
        ("2026-11-23T23:00:00Z", None, date(2026, 11, 23)),
        ("2026-11-24T02:00:00", DAY, None),
        ("2026-10-25T02:30:00+02:00", datetime(2026, 10, 25, 0, 30, tzinfo=UTC), None),
        ("2026-10-25T02:30:00+01:00", datetime(2026, 10, 25, 1, 30, tzinfo=UTC), None),
        ("2027-03-28T02:30:00+01:00", date(2027, 3, 28), None),  # an hour that never comes
    ],
)
def test_a_moment_is_an_instant_by_its_zones_own_offset_else_a_day_that_is_sure(
    text: str, paris: date | None, cayenne: date | None
) -> None:
    assert (sure_moment(text, ZONES[0]), sure_moment(text, CAYENNE)) == (paris, cayenne)
