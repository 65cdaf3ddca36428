"""Instants as the sandbox writes them."""

from datetime import UTC, datetime

import time_machine
from hypothesis import given
from hypothesis import strategies as st

from deploy.sandbox.clock import as_paris, as_utc, now


@given(st.integers(0, 4_000_000_000))
def test_what_is_written_reads_back_as_the_same_instant(seconds: int) -> None:
    moment = datetime.fromtimestamp(seconds, UTC)
    assert datetime.fromisoformat(as_utc(moment)) == moment
    assert datetime.fromisoformat(as_paris(seconds)) == moment


def test_paris_has_its_offset_and_utc_its_letter() -> None:
    summer = datetime(2026, 7, 1, 10, tzinfo=UTC)
    assert as_paris(int(summer.timestamp())) == "2026-07-01T12:00:00+02:00"
    assert as_utc(summer) == "2026-07-01T10:00:00.000Z"


def test_now_is_aware_and_in_utc() -> None:
    with time_machine.travel(datetime(2026, 11, 20, 9, tzinfo=UTC), tick=False):
        assert now() == datetime(2026, 11, 20, 9, tzinfo=UTC)
        assert now().utcoffset() is not None
