"""Moments in JSON with undocumented fields: only unambiguous ones count."""

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest

from crawler.platforms.orion import sure_moment

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
