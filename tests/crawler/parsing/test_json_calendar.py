"""Listings of a JSON calendar: what they prove, and the next requests."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

from configs.world.outcome import Outcome
from crawler.parsing.json_calendar import (
    Listing,
    read_listing,
    read_self_contained_listing,
)
from crawler.reading import CoveredWindow, Page, PageRequest, Place, Reading, VisitContext
from tests.crawler.pages import TODAY, page, visit

PLACE = Place("7", "Centre")
DAYS = 7
LAST = TODAY + timedelta(days=90)


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
