from datetime import UTC, datetime

import pytest

from configs.ground.clock import override_clock
from configs.ground.retry_after import parse_retry_after

YEAR = 366 * 86400.0


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0.0),
        (" 120 ", 120.0),
        ("9" * 400, YEAR),  # infinite as a float
        ("Fri, 20 Nov 2026 09:01:00 GMT", 60.0),
        ("Fri, 20 Nov 2026 10:01:00 +0100", 60.0),
        ("Fri, 20 Nov 2026 09:01:00", 60.0),  # without a zone
        ("Fri, 20 Nov 2026 09:01:00 -0000", 60.0),
        ("Fri, 20 Nov 2026 08:00:00 GMT", 0.0),
        ("Fri, 20 Nov 2099 09:00:00 GMT", YEAR),
        ("Fri, 20 Nov 99999999999999999999 09:00:00 GMT", None),
        ("-5", None),
        ("5.5", 5.5),
        ("60, 60", 60.0),
        ("5,  90", 90.0),
        ("30s", 30.0),
        ("1795165260", 60.0),  # an epoch
        ("1795165260000", 60.0),
        ("1795165200.5", 0.5),
        ("1795160000", 0.0),
        ("2026-11-20T09:01:00Z", 60.0),
        ("²", None),
        ("soon", None),
        ("", None),
    ],
)
def test_seconds_and_dates_are_understood_and_bounded(value: str, seconds: float | None) -> None:
    with override_clock(lambda: datetime(2026, 11, 20, 9, tzinfo=UTC)):
        assert parse_retry_after(value) == seconds
