"""Answers in JSON: their shapes and moments; what a listing of a calendar proves, and the next requests."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Annotated

from pydantic import Field

from configs.world.desk import Outcome
from crawler.parsing.json_calendar import (
    Listing,
    read_listing,
    read_self_contained_listing,
)
from crawler.parsing.json_models import (
    Day,
    Entries,
    FalseUtc,
    Instant,
    JsonModel,
    Moment,
    Number,
    OrNone,
    Tolerant,
    Wall,
    count_moments_in,
    parse_json,
    reports_failure,
    slot_start_field,
)
from crawler.reading import CoveredWindow, Page, PageRequest, Place, Reading, VisitContext
from tests.crawler.pages import TODAY, page, visit
from tests.in_turn import in_turn


class Slots(JsonModel):
    slots: list[str]


class Times(JsonModel):
    at: OrNone[Instant] = None
    wall: OrNone[Wall] = None
    day: OrNone[Day] = None
    moment: OrNone[Moment] = None


def times(field: str, value: str) -> object:
    read = parse_json(page(f'{{"{field}": {value}}}'), Times)
    assert read
    return getattr(read, field)


def test_a_body_of_the_shape_is_read_and_what_else_stands_in_it_is_not() -> None:
    for body in ('{"slots": ["a"], "total": {"deep": [1]}}', '\ufeff{"slots": ["a"]}'):
        assert parse_json(page(body), Slots) == Slots(slots=["a"])
    assert parse_json(page('[{"slots": []}]'), list[Slots]) == [Slots(slots=[])]


@in_turn(
    "field, value, expected",
    [
        ("at", '"2021-05-25T16:00:00.000+02:00"', datetime(2021, 5, 25, 14, tzinfo=UTC)),
        ("at", '"2021-05-25T14:00Z"', datetime(2021, 5, 25, 14, tzinfo=UTC)),
        ("at", '"2021-10-31T02:30:00+01:00"', datetime(2021, 10, 31, 1, 30, tzinfo=UTC)),
        ("wall", '"2021-09-17T10:00:00"', datetime.fromisoformat("2021-09-17T10:00")),
        ("day", '"2021-04-10"', date(2021, 4, 10)),
        ("moment", '"2021-04-10"', date(2021, 4, 10)),
        ("moment", '"2021-04-10T12:00:00.000+02:00"', datetime(2021, 4, 10, 10, tzinfo=UTC)),
    ],
)
def test_moments_are_read_as_they_are_written(field: str, value: str, expected: date) -> None:
    assert times(field, value) == expected


@in_turn("field", ["at", "wall", "day", "moment"])
@in_turn(
    "value",
    [
        "1617",
        '"1617"',
        "null",
        '""',
        '"2021-13-01"',
        '"2021-05-25T25:00Z"',
        '"10:00"',
        '"0001-01-01T00:00:00+14:00"',
        '"9999-12-31T23:59:59-14:00"',
        '"١٢٣٤-05-25T10:00Z"',
    ],
)
def test_what_is_no_moment_is_none_and_never_a_guess(field: str, value: str) -> None:
    assert times(field, value) is None


@in_turn(
    "body, number",
    [
        ('{"slots": [], "next": "2021-06-12T10:30:00Z"}', 1),
        ('{"slots": [], "_next_slot": "2021-06-12"}', 1),
        ('{"at": "2021-06-12 10:30"}', 1),
        ('{"2021-04-19": [{"time": "17:15"}, {"time": "17:30"}]}', 2),
        ('{"nextAvailableDay": "2026-12-10", "next": null}', 1),
        ('{"slots": [], "date": "2021-06-12", "total": 0}', 0),
        (
            '{"server_time": "2026-11-20T10:00:00Z", "generatedAt": "10:00", "timestamp":"2026-11-20 10:00"}',
            0,
        ),
    ],
)
def test_moments_are_counted_wherever_they_stand_but_when_the_answer_was_made(body: str, number: int) -> None:
    assert count_moments_in(page(body)) == number


@in_turn("behind", ["", "Z", ":00Z", ":00.000Z", "+00:00", ":00+00:00", "+0000"])
def test_a_false_utc_is_the_clock_that_it_shows(behind: str) -> None:
    assert parse_json(page(f'["2026-12-19T10:00{behind}"]'), list[FalseUtc]) == [
        datetime.fromisoformat("2026-12-19T10:00")
    ]


class Week(Tolerant):
    days: list[str] = Field(alias="jours")
    total: Number = 0
    next_at: Moment | None = None


class Hint(Tolerant):
    count: Number = 0
    next_at: Moment | None = None


@in_turn(
    "body, total, lacking",
    [
        ('{"jours": ["a"], "total": 3, "next_at": null}', 3, False),
        ('{"jours": ["a"], "total": "3"}', 3, False),
        ('{"jours": ["a"], "total": 3, "next_at": "soon"}', 3, True),
        ('{"jours": ["a"], "total": 3, "next_at": ""}', 3, True),
        ('{"jours": ["a"], "total": null}', 0, True),
        ('{"jours": ["a"], "total": {}}', 0, True),
        ('{"jours": ["a"], "total": true}', 0, True),
        ('{"jours": ["a"], "total": 3.5}', 0, True),
        ('{"jours": ["a"], "total": "3.0"}', 0, True),
        ('{"jours": ["a"], "total": "\u0663"}', 0, True),
        ('{"jours": ["a"], "total": [], "next_at": {}}', 0, True),
        ('{"jours": ["a"]}', 0, True),
    ],
)
def test_what_is_optional_and_odd_is_left_out_and_known_to_be(body: str, total: int, lacking: bool) -> None:
    week = parse_json(page(body), Week)
    assert week
    assert (week.days, week.total, week.lacks("total")) == (["a"], total, lacking)
    assert week.odd == (lacking and body != '{"jours": ["a"]}')


def test_an_object_with_none_of_the_fields_is_another_answer() -> None:
    for body in ("{}", '{"error": "x"}', '{"count": []}', '{"odd": true}'):
        assert parse_json(page(body), Hint) is None
    assert parse_json(page('{"count": []}'), list[Hint]) is None
    hint = parse_json(page('{"count": "x", "next_at": "2026-11-24"}'), Hint)
    assert hint
    assert (hint.next_at, hint.odd) == (date(2026, 11, 24), True)


AT = datetime(2026, 11, 24, 8, 30, tzinfo=UTC)
TEXT = '"2026-11-24T09:30:00+01:00"'
Starts = Entries[Annotated[Moment, slot_start_field("start", "begin")]]


@in_turn(
    "entry, expected",
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


@in_turn(
    "body, failed",
    [
        ('{"error": "Invalid company"}', True),
        ('{"slots": [], "errors": ["x"]}', True),
        ('[{"success":false}]', True),
        ('{"status": "error"}', True),
        ('{"data": {"errorCode": 3}}', True),
        ('{"error": null, "errors": [], "success": true}', False),
        ('{"errors": {}, "error": "", "errorCode": 0, "status": "ok"}', False),
        ('{"terror": "x"}', False),
        ('<script>x = {"error": "x"}</script>', False),
    ],
)
def test_an_answer_may_say_that_it_failed(body: str, failed: bool) -> None:
    assert reports_failure(page(body)) is failed


# Listings


PLACE = Place("7", "Centre")
DAYS = 7


def opens(_visit: VisitContext, window: CoveredWindow) -> PageRequest:
    return PageRequest(f"https://api.invalid/slots?from={window.first}&to={window.last}")


def at(day: date, hour: int = 9) -> datetime:
    return datetime(day.year, day.month, day.day, hour, tzinfo=UTC)


def window(first: int, last: int | None = None) -> CoveredWindow:
    return CoveredWindow(
        PLACE.key, TODAY + timedelta(days=first), TODAY + timedelta(days=last or first + DAYS - 1)
    )


def answer(body: str = "{}", first: int | None = 0, turn: int = 0, step: str = "") -> Page:
    found = page(body, of=replace(visit(), turn=turn), place=PLACE, step=step)
    asked = window(first) if first is not None else None
    return replace(found, ask=replace(found.ask, window=asked))


def read(found: Listing, page: Page | None = None) -> Reading:
    return read_listing(page or answer(), found, opens)


def begins(reading: Reading) -> list[date | None]:
    return [
        ask.window.first if ask.window else None for ask in sorted(reading.asks, key=lambda ask: ask.rank)
    ]


def test_later_windows_begin_elsewhere_each_visit_and_lead_on_to_none() -> None:
    third = read(Listing([at(TODAY)]), answer(turn=2))
    assert begins(third)[0] == TODAY + timedelta(days=21)
    later = third.asks[0]
    assert read(Listing([at(TODAY)]), replace(answer(), ask=later)).asks == ()


def test_moments_that_are_not_all_there_cover_nothing() -> None:
    for found in (
        Listing([at(TODAY), None]),
        Listing([at(TODAY)], total=2),
        Listing([at(TODAY + timedelta(days=8))]),
    ):
        reading = read(found)
        assert (reading.outcome, len(reading.slots), reading.covered) == (Outcome.SLOTS, 1, ())


def test_what_shows_fewer_days_than_asked_covers_those() -> None:
    shown = Listing([at(TODAY)], last=TODAY + timedelta(days=2))
    reading = read(shown)
    assert reading.covered == (window(0, 2),)
    assert begins(reading)[0] == TODAY + timedelta(days=3)


def test_nothing_at_all_covers_all_days_that_are_watched() -> None:
    reading = read(Listing(final=True))
    assert (reading.outcome, reading.covered, reading.asks) == (
        Outcome.NO_SLOTS,
        (window(0, 90),),
        (),
    )


def test_what_says_there_are_some_and_shows_none_is_unreadable() -> None:
    assert read(Listing(total=3)).outcome is Outcome.UNREADABLE
    assert read(Listing([None, None])).outcome is Outcome.UNREADABLE
    hidden = answer('{"availability": ["2026-11-24T09:00:00Z"]}')
    assert read(Listing(), hidden).outcome is Outcome.UNREADABLE
    assert read(Listing(others=1), hidden).outcome is Outcome.NO_SLOTS
    assert read(Listing([TODAY] * 10_001)).outcome is Outcome.UNREADABLE


def test_days_that_were_not_asked_for_prove_nothing() -> None:
    before = TODAY - timedelta(days=1)
    for found in (Listing(last=before), Listing(last=before, final=True)):
        assert read(found).outcome is Outcome.UNREADABLE
    reading = read(Listing([at(TODAY)], last=before))
    assert (reading.outcome, reading.covered, reading.asks) == (Outcome.SLOTS, (), ())


def test_days_behind_those_asked_for_prove_no_absence_and_the_others_are_still_asked() -> None:
    behind = TODAY + timedelta(days=DAYS)
    assert read(Listing(begins=behind)).outcome is Outcome.UNREADABLE
    reading = read(Listing([at(behind)], begins=behind))
    assert (reading.outcome, reading.covered) == (Outcome.SLOTS, ())
    assert reading.asks == read(Listing([at(TODAY)])).asks


def test_a_moment_left_in_its_state_keeps_it_from_proving_an_absence() -> None:
    state = {"autre": "2026-11-23T09:30"}
    assert (
        read_self_contained_listing(answer(first=None), Listing(), window(0), state).outcome
        is Outcome.UNREADABLE
    )


def test_what_is_odd_elsewhere_hides_no_slot_and_proves_no_absence() -> None:
    reading = read(Listing([at(TODAY)], odd=True))
    assert (reading.outcome, len(reading.slots), reading.covered) == (Outcome.SLOTS, 1, ())
    assert len(begins(reading)) == 12
    for found in (Listing(odd=True), Listing(odd=True, final=True)):
        assert (read(found).outcome, read(found).covered) == (Outcome.UNREADABLE, ())
