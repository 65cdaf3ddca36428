"""Visits: the truth table of docs/reference/visit.md, and the rules that hold for any readings."""

from collections import deque
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from configs.world.desk import Outcome
from crawler.parsing.json_calendar import Listing, WindowRequest, read_listing
from crawler.reading import CoveredWindow, Page, PageRequest, Place, Reading, Slot, VisitContext
from crawler.visit_state import VisitResult, VisitState
from tests.in_turn import in_turn

PARIS = ZoneInfo("Europe/Paris")
NOW = datetime(2026, 11, 20, 9, tzinfo=UTC)
TODAY = NOW.date()
LAST_DAY = TODAY + timedelta(days=90)
HOUR, PAST = NOW + timedelta(days=10), NOW - timedelta(hours=1)
DAY = HOUR.date()
START = PageRequest("https://site/0", "start")
A, B = Place("1"), Place("2")


def window(days_ahead: int, place: Place = A) -> CoveredWindow:
    first = TODAY + timedelta(days=days_ahead)
    return CoveredWindow(place.key, first, first + timedelta(days=6))


def ask(name: str, place: Place = A, days_ahead: int | None = None) -> PageRequest:
    asked = None if days_ahead is None else window(days_ahead, place)
    return PageRequest(f"https://site/{name}", place=place, window=asked)


WEEKS = (ask("w0", days_ahead=0), ask("w1", days_ahead=7))
BEFORE = CoveredWindow("", TODAY, DAY - timedelta(days=1))  # until the day before the next date
OPENED = CoveredWindow("", DAY, DAY + timedelta(days=6))  # the window that begins at the next date


def _open_window(_visit: VisitContext, _window: CoveredWindow) -> PageRequest:
    return PageRequest("https://site/opened")


def none(*covered: CoveredWindow) -> Reading:
    return Reading(Outcome.NO_SLOTS, "nothing free", covered=covered)


def shows(moment: datetime, *covered: CoveredWindow, place: Place = A) -> Reading:
    return Reading(Outcome.SLOTS, "seen", (Slot(place, moment),), covered)


def listing(
    found: Listing, opens: WindowRequest | None = _open_window, asked: CoveredWindow | None = None
) -> Reading:
    """Read the answer of a JSON calendar; `asked`: its window, where one was asked for."""
    visit = VisitContext(START.url, TODAY, PARIS)
    request = PageRequest(START.url, "opened" if asked == OPENED else "start", window=asked)
    return read_listing(Page(START.url, 200, b"{}", visit, request), found, opens)


def places(*names: str) -> Reading:
    return Reading(asks=tuple(ask(name, place) for name, place in zip(names, (A, B), strict=True)))


def run(answers: dict[str, Reading], limit: int = 24) -> tuple[VisitResult, list[str]]:
    """Play a visit against answers by the last part of the address; what is not named is `unreadable`."""
    state, order = VisitState(START, limit=limit, now=NOW.astimezone(PARIS)), []
    while following := state.next():
        name = following.url.rpartition("/")[2]
        order.append(name)
        state.add_reading(following, answers.get(name, Reading(Outcome.UNREADABLE, f"what is {name}?")))
    return state.result(), order


def leads(*asks: PageRequest, **more: Any) -> Reading:
    return Reading(asks=asks, **more)


TROUBLE = Reading(Outcome.OVERLOADED, "busy")
OPEN = Reading(asks=WEEKS, fallback=(Slot(A, None),))
EMPTY = {f"w{number}": Reading(reason="an empty week", covered=(window(7 * number),)) for number in (0, 1)}
NEXT = listing(Listing(next_at=DAY))


@dataclass(frozen=True)
class Row:
    """One row: the readings by the last part of their address, the visit's requests, and what it proves."""

    answers: dict[str, Reading]
    outcome: Outcome
    moments: tuple[date | None, ...] = ()
    covered: tuple[CoveredWindow, ...] = ()
    limit: int = 24


N, S, U, T = Outcome.NO_SLOTS, Outcome.SLOTS, Outcome.UNREADABLE, Outcome.OVERLOADED
ALL, WEEK = CoveredWindow(), window(0)
ROWS = {
    1: Row({"0": none(ALL)}, N, covered=(ALL,)),
    2: Row({"0": none(CoveredWindow(doubtful=True))}, N, covered=(CoveredWindow(doubtful=True),)),
    3: Row({"0": none()}, U),
    4: Row({"0": shows(HOUR)}, S, (HOUR,)),
    5: Row({"0": shows(HOUR, WEEK)}, S, (HOUR,), (WEEK,)),
    6: Row({"0": shows(PAST, WEEK)}, U, covered=(WEEK,)),
    7: Row({"0": Reading()}, U),
    8: Row({"0": TROUBLE}, T),
    9: Row(
        {"0": places("a", "b"), "a": none(CoveredWindow("1")), "b": TROUBLE}, T, (), (CoveredWindow("1"),)
    ),
    10: Row({"0": places("a", "b"), "a": shows(HOUR), "b": TROUBLE}, S, (HOUR,)),
    11: Row({"0": places("a", "b"), "a": none(CoveredWindow("1"))}, N, (), (CoveredWindow("1"),), limit=2),
    12: Row({"0": Reading(fallback=OPEN.fallback, covered=(window(0, B),))}, S, (None,), (window(0, B),)),
    13: Row({"0": OPEN, **EMPTY}, N, (), (window(0), window(7))),
    14: Row({"0": OPEN, "w0": shows(HOUR), "w1": shows(HOUR)}, S, (HOUR,)),
    15: Row({"0": OPEN, "w0": TROUBLE, "w1": TROUBLE}, S, (None,)),
    16: Row({"0": OPEN}, S, (None,), limit=1),
    17: Row({"0": NEXT, "opened": listing(Listing([HOUR]), None, OPENED)}, S, (HOUR,), (BEFORE, OPENED)),
    18: Row({"0": NEXT, "opened": listing(Listing(), None, OPENED)}, N, (), (BEFORE, OPENED)),
    19: Row({"0": NEXT, "opened": TROUBLE}, S, (DAY,), (BEFORE,)),
    20: Row({"0": NEXT}, S, (DAY,), (BEFORE,), limit=1),
    21: Row({"0": listing(Listing(next_at=DAY), None)}, S, (DAY,), (BEFORE,)),
    22: Row(
        {"0": listing(Listing(next_at=LAST_DAY + timedelta(days=1)))},
        N,
        (),
        (CoveredWindow("", TODAY, LAST_DAY),),
    ),
    23: Row({"0": listing(Listing(next_at=TODAY), asked=OPENED)}, U),
    24: Row({"0": listing(Listing(next_at=DAY, odd=True), None)}, S, (DAY,)),
}


@pytest.mark.rule("3.2", "3.3")
@in_turn("number", ROWS)
def test_a_visit_proves_what_its_row_says(number: int) -> None:
    row = ROWS[number]
    result, _ = run(row.answers, row.limit)
    assert (result.outcome, tuple(slot.moment for slot in result.slots), result.covered) == (
        row.outcome,
        row.moments,
        row.covered,
    )


def test_every_place_is_asked_before_any_week_and_near_weeks_first() -> None:
    far, near = ask("far", B, 35), ask("near", A, 7)
    answers = {name: none(ALL) for name in ("a", "b", "near", "far")}
    _, order = run({"0": leads(far, near, ask("a"), ask("b", B)), **answers})
    assert order == ["0", "a", "b", "near", "far"]


@pytest.mark.rule("3.9")
@in_turn(
    "outcome", [Outcome.CAPTCHA, Outcome.BLOCKED, Outcome.RATE_LIMITED, Outcome.MAINTENANCE, Outcome.CLOSED]
)
def test_a_refusal_ends_the_visit(outcome: Outcome) -> None:
    refusal = Reading(outcome, "go away", retry_after=5)
    busy = Reading(Outcome.OVERLOADED, "busy")
    result, order = run({"0": leads(ask("a"), ask("b", B), ask("c", Place("c"))), "a": busy, "b": refusal})
    assert order == ["0", "a", "b"]
    assert (result.outcome, result.reason, result.retry_after) == (outcome, "go away", 5)


@in_turn("outcome", [Outcome.OVERLOADED, Outcome.UNREADABLE, Outcome.UNREACHABLE])
def test_other_trouble_ends_it_at_the_third(outcome: Outcome) -> None:
    asks = [ask(str(number), Place(str(number))) for number in range(1, 9)]
    result, order = run({"0": leads(*asks)} | {str(n): Reading(outcome, f"trouble {n}") for n in range(1, 9)})
    assert order == ["0", "1", "2", "3"]
    assert (result.outcome, result.reason) == (outcome, "trouble 1")


# Bounds


def test_nothing_is_asked_twice() -> None:
    result, order = run({"0": leads(ask("a")), "a": leads(ask("a"), START)})
    assert order == ["0", "a"]
    assert (result.outcome, result.reason) == (Outcome.UNREADABLE, "leads nowhere that was not asked yet")


def test_a_visit_that_never_ends_is_ended() -> None:
    state = VisitState(START, limit=5, now=NOW)
    while following := state.next():
        state.add_reading(following, leads(ask(f"{state.asked}")))
    result = state.result()
    assert (result.outcome, state.asked) == (Outcome.UNREADABLE, 5)
    assert result.reason == "nothing was proven by 5 requests; 1 request left unasked"


@pytest.mark.rule("3.1")
def test_a_request_without_an_answer_is_trouble() -> None:
    state = VisitState(START, limit=5, now=NOW)
    state.next()
    result = state.result()
    assert (result.outcome, result.reason) == (Outcome.UNREACHABLE, "no answer to GET https://site/0")


# Any visit at all

SOON = NOW + timedelta(days=3)
_PLACES = st.sampled_from([Place(), A, B])
_MOMENTS = st.sampled_from([None, SOON, SOON + timedelta(days=9), TODAY, NOW - timedelta(days=1)])
_SLOTS = st.lists(st.builds(Slot, _PLACES, _MOMENTS), max_size=3).map(tuple)
_COVERED = st.lists(
    st.sampled_from([CoveredWindow(), CoveredWindow("1"), CoveredWindow("2")]), max_size=2
).map(tuple)
_ASKS = st.lists(
    st.builds(ask, st.integers(0, 60).map(str), _PLACES, st.none() | st.integers(0, 84)), max_size=4
).map(tuple)
_READINGS = st.builds(
    Reading,
    outcome=st.none() | st.sampled_from(Outcome),
    reason=st.just("why"),
    slots=_SLOTS,
    covered=_COVERED,
    asks=_ASKS,
    fallback=_SLOTS.map(lambda slots: tuple(slot for slot in slots if slot.moment is None)),
)


@pytest.mark.rule("3.2")
@given(st.lists(_READINGS, max_size=40), st.integers(0, 12))
def test_the_rules_hold_for_any_visit(readings: list[Reading], limit: int) -> None:
    left, taken = deque(readings), []
    state = VisitState(START, limit=limit, now=NOW)
    while left and (following := state.next()):
        taken.append(left.popleft())
        state.add_reading(following, taken[-1])
    result = state.result()
    seen = {
        slot.moment_text
        for r in taken
        for slot in r.slots
        if slot.moment not in (None, NOW - timedelta(days=1))
    }

    assert state.asked <= limit
    assert seen <= {slot.moment_text for slot in result.slots}
    assert (result.outcome is Outcome.SLOTS) == bool(result.slots)
    if result.outcome is Outcome.NO_SLOTS:
        assert result.covered
        assert not any(r.slots for r in taken)
        assert all(r.outcome in (None, Outcome.NO_SLOTS, Outcome.SLOTS) for r in taken)
    if not result.slots and result.outcome.conclusive:
        assert set(result.covered) == {covered for r in taken for covered in r.covered}


def test_the_next_release_ahead_is_told_whatever_the_pages_prove() -> None:
    readings = {
        "0": leads(ask("w1", days_ahead=0), ask("w2", days_ahead=7), releases_at=NOW - timedelta(hours=1)),
        "w1": Reading(
            Outcome.NO_SLOTS, "nothing", covered=(CoveredWindow(),), releases_at=SOON + timedelta(days=1)
        ),
        "w2": Reading(Outcome.OVERLOADED, "busy", releases_at=SOON),
    }
    assert run(readings)[0].releases_at == SOON
    assert run({"0": readings["w1"]})[0].releases_at == SOON + timedelta(days=1)
    assert run({"0": leads(releases_at=NOW)})[0].releases_at is None
