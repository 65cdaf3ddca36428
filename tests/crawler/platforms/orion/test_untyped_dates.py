"""Moments in JSON with undocumented fields: only unambiguous ones count."""

from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.platforms.orion import holds, moments_of, sure_moment

PARIS, REUNION, CAYENNE = (ZoneInfo(name) for name in ("Europe/Paris", "Indian/Reunion", "America/Cayenne"))
DAY = date(2026, 11, 24)


@pytest.mark.parametrize(
    ("text", "paris", "cayenne"),
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
    assert (sure_moment(text, PARIS), sure_moment(text, CAYENNE)) == (paris, cayenne)


@given(
    at=st.datetimes(datetime(2026, 1, 1), datetime(2030, 1, 1)),  # noqa: DTZ001 -- the strategy adds the zone
    zone=st.sampled_from([PARIS, REUNION, CAYENNE]),
    spelling=st.sampled_from(["own", "utc", "naive"]),
)
def test_no_moment_is_taken_for_another_day_or_hour(at: datetime, zone: ZoneInfo, spelling: str) -> None:
    meant = at.replace(microsecond=0, tzinfo=UTC)
    local = meant.astimezone(zone)
    text = {
        "own": local.isoformat(),
        "utc": meant.isoformat().replace("+00:00", "Z"),
        "naive": local.replace(tzinfo=None).isoformat(),
    }[spelling]
    found = sure_moment(text, zone)
    assert found in (meant, local.date(), None)
    if spelling == "own" and local.time() != datetime.min.time():
        assert found == meant
    if isinstance(found, datetime):
        assert spelling == "own"


@pytest.mark.parametrize(
    "entry",
    [
        {},
        {"date": "2026-11-24", "slots": []},
        {"slots": [None, {}]},
        {"date": "2026-11-24", "slots": None},
        {"date": "2026-11-24", "count": 0},
        {"date": "2026-11-24", "id": 3, "isAvailable": False},
        {"date": "2026-11-24", "available_slots": 0, "slots": [{"start": "2026-11-24T09:30:00+01:00"}]},
        {"slots": [{"start": "2026-11-24T09:30:00+01:00", "free": False}]},
        None,
        3,
        "x",
        [],
    ],
)
def test_what_holds_nothing(entry: Any) -> None:
    assert not holds(entry)
    assert moments_of(entry, PARIS) == [None]


HOUR, INSTANT = "2026-11-24T09:30:00+01:00", datetime(2026, 11, 24, 8, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ({"date": "2026-11-24", "slots": [{"label": "09:30"}]}, [DAY]),
        ({"date": "2026-11-24"}, [DAY]),
        (
            {"date": "2026-11-24", "slots": [{"start": HOUR, "open": True}, {"start": HOUR, "open": False}]},
            [INSTANT, None],
        ),
        ({"date": "2026-11-24", "slots": [{"start": HOUR, "end": HOUR}]}, [INSTANT]),
        ({"day": {"startDateTime": HOUR}}, [INSTANT]),
        ({"begins": [HOUR, HOUR]}, [INSTANT, INSTANT]),
        ({"Date": "2026-11-24"}, [DAY]),
        ({"key": 3}, [None]),
        ({"start": HOUR, "other": {"start": None}}, [INSTANT, None]),
        ({"start": HOUR, "moment": "2026-11-25T09:30:00+01:00"}, [INSTANT, None]),
        ({"start": HOUR, "updated": "the 2026-11-25"}, [INSTANT, None]),
        ({"endDate": HOUR, "finish": 3}, [None]),
    ],
)
def test_an_entrys_moments_and_whether_there_may_be_more(entry: Any, expected: list[Any]) -> None:
    assert moments_of(entry, PARIS) == expected
