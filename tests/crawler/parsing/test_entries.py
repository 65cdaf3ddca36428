from datetime import UTC, date, datetime
from typing import Annotated

import pytest

from crawler.parsing.entries import Entries, flat, slot_start_field
from crawler.parsing.json_models import Moment, Wall, parse_json, parse_local_datetime
from tests.crawler.pages import page

AT = datetime(2026, 11, 24, 8, 30, tzinfo=UTC)
TEXT = '"2026-11-24T09:30:00+01:00"'
Starts = Entries[Annotated[Moment, slot_start_field("start", "begin")]]
Walls = Entries[Annotated[Wall, slot_start_field("start", read=parse_local_datetime)]]


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        (f'{{"start": {TEXT}}}', AT),
        (f'{{"begin": {TEXT}, "id": 1}}', AT),
        (f'{{"start": null, "begin": {TEXT}}}', AT),
        (f'{{"start": {TEXT}, "begin": "2027-01-01"}}', AT),
        (f'{{"start": {TEXT}, "steps": [{{}}, {{"start": "2027-01-01"}}]}}', AT),
        (TEXT, AT),
        ('{"start": "2026-11-24"}', date(2026, 11, 24)),
        ('"2026-11-24"', date(2026, 11, 24)),
        (f'{{"start": "soon", "begin": {TEXT}}}', None),
        (f'{{"steps": [{{"start": {TEXT}}}]}}', None),
        (f"[{TEXT}]", None),
        ('{"start": 1795510200}', None),
        ("1795510200", None),
        ("{}", None),
        ("null", None),
        ('""', None),
    ],
)
def test_an_entry_is_when_it_begins_and_none_where_that_cannot_be_read(entry: str, expected: date) -> None:
    assert parse_json(page(f"[{entry}, {TEXT}]"), Starts) == [expected, AT]


def test_a_platform_says_how_it_writes_its_moments() -> None:
    body = '[{"start": "2026-11-24T09:30:00"}, {"start": "2026-11-24T09:30:00Z"}]'
    assert parse_json(page(body), Walls) == [datetime.fromisoformat("2026-11-24T09:30:00"), None]
    assert parse_json(page(body), Starts) == [None, datetime(2026, 11, 24, 9, 30, tzinfo=UTC)]


def test_what_is_no_list_has_no_entries() -> None:
    for body in ("null", "{}", '"a"'):
        assert parse_json(page(body), Starts) is None


def test_lists_are_one_and_one_that_cannot_be_read_is_an_entry_that_cannot() -> None:
    assert flat([[1, None], [], None, [2]]) == [1, None, None, 2]
    assert flat([]) == []
