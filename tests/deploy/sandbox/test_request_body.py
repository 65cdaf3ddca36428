"""Fields of control bodies: read as what they are, or refused by name."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.sandbox.control_error import Refusal
from deploy.sandbox.request_body import moments, text, whole_number

json_values = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.lists(st.integers())
offsets = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
instants = st.datetimes(timezones=offsets, min_value=datetime(1990, 1, 1), max_value=datetime(2100, 1, 1))  # noqa: DTZ001 - hypothesis adds the zone


@given(st.integers(0, 2**63))
def test_whole_numbers_are_read(number: int) -> None:
    assert whole_number({"form": number}, "form") == number


@given(json_values)
def test_a_number_is_a_number_or_refused_by_its_name(value: object) -> None:
    if value is None or (type(value) is int and value >= 1):
        assert whole_number({"count": value}, "count", least=1) == value
    else:
        with pytest.raises(Refusal, match="count must be a whole number from 1, not "):
            whole_number({"count": value}, "count", least=1)


@given(json_values)
def test_a_text_is_a_text_or_refused_by_its_name(value: object) -> None:
    if value is None or isinstance(value, str):
        assert text({"mode": value}, "mode") == value
    else:
        with pytest.raises(Refusal, match="mode must be a text"):
            text({"mode": value}, "mode")


@given(st.lists(instants))
def test_instants_are_read_with_their_offset(values: list[datetime]) -> None:
    written = {"at": [value.isoformat() for value in values]}
    read = moments(written, "at")
    assert read is not None
    assert [datetime.fromtimestamp(one, UTC) for one in read] == [
        (value.astimezone(UTC) - timedelta(microseconds=value.microsecond)) for value in values
    ]


@pytest.mark.parametrize("written", ["2026-12-01T09:30:00Z", "2026-12-01T10:30:00+01:00"])
def test_one_instant_may_stand_without_a_list(written: str) -> None:
    assert moments({"at": written}, "at") == [1796117400]


def test_what_is_absent_is_none() -> None:
    assert (whole_number({}, "x"), text({}, "x"), moments({}, "x")) == (None, None, None)


@given(st.text().filter(lambda value: not value[:4].isdecimal()))
def test_what_is_no_instant_is_refused(value: str) -> None:
    with pytest.raises(Refusal, match="at takes instants as 2026-12-01T09:30:00"):
        moments({"at": [value]}, "at")
