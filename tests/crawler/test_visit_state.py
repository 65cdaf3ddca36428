from collections import deque
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from configs.world.outcome import Outcome
from crawler.reading import CoveredWindow, PageRequest, Place, Reading, Slot
from crawler.visit_state import VisitResult, VisitState
from tests.in_turn import in_turn

NOW = datetime(2026, 11, 20, 9, tzinfo=UTC)
START = PageRequest("https://site/0", "start")
A, B = Place("1", "Guichet 1"), Place("2", "Guichet 2")
SOON = NOW + timedelta(days=3)


def ask(name: str, place: Place = A, week: int | None = None) -> PageRequest:
    first = NOW.date() + timedelta(weeks=week) if week is not None else None
    window = CoveredWindow(place.key, first, first + timedelta(days=6)) if first else None
    return PageRequest(f"https://site/{name}", place=place, window=window)


def run(answers: dict[str, Reading], limit: int = 24) -> tuple[VisitResult, list[str]]:
    """Play a visit against answers by the last part of the address; what is not named is `unreadable`."""
    state, order = VisitState(START, limit=limit, now=NOW), []
    while following := state.next():
        name = following.url.rpartition("/")[2]
        order.append(name)
        state.add_reading(following, answers.get(name, Reading(Outcome.UNREADABLE, f"what is {name}?")))
    return state.result(), order


def leads(*asks: PageRequest, **more: Any) -> Reading:
    return Reading(asks=asks, **more)


def none(*keys: str | None) -> Reading:
    return Reading(Outcome.NO_SLOTS, "nothing free", covered=tuple(CoveredWindow(key) for key in keys))


def shows(*moments: datetime | date | None, place: Place = A) -> Reading:
    return Reading(Outcome.SLOTS, "seen", tuple(Slot(place, moment) for moment in moments))


def empty(following: PageRequest) -> Reading:
    return Reading(reason="an empty week", covered=(following.window,) if following.window else ())


WEEKS = (ask("w0", week=0), ask("w1", week=1))
OPEN = leads(*WEEKS, fallback=(Slot(A, None),))


def test_every_place_is_asked_before_any_week_and_near_weeks_first() -> None:
    far, near = ask("far", B, week=5), ask("near", A, week=1)
    answers = {name: none(None) for name in ("a", "b", "near", "far")}
    _, order = run({"0": leads(far, near, ask("a"), ask("b", B)), **answers})
    assert order == ["0", "a", "b", "near", "far"]


@pytest.mark.rule("3.9")
@in_turn(
    "outcome", [Outcome.CAPTCHA, Outcome.BLOCKED, Outcome.RATE_LIMITED, Outcome.MAINTENANCE, Outcome.CLOSED]
)
def test_a_refusal_ends_the_visit(outcome: Outcome) -> None:
    refusal = Reading(outcome, "go away", retry_after=5)
    result, order = run({"0": leads(ask("a"), ask("b", B)), "a": refusal})
    assert order == ["0", "a"]
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

_PLACES = st.sampled_from([Place(), A, B])
_MOMENTS = st.sampled_from([None, SOON, SOON + timedelta(days=9), NOW.date(), NOW - timedelta(days=1)])
_SLOTS = st.lists(st.builds(Slot, _PLACES, _MOMENTS), max_size=3).map(tuple)
_COVERED = st.lists(
    st.sampled_from([CoveredWindow(), CoveredWindow("1"), CoveredWindow("2")]), max_size=2
).map(tuple)
_ASKS = st.lists(
    st.builds(ask, st.integers(0, 60).map(str), _PLACES, st.none() | st.integers(0, 12)), max_size=4
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
        "0": leads(ask("w1", week=0), ask("w2", week=1), releases_at=NOW - timedelta(hours=1)),
        "w1": Reading(
            Outcome.NO_SLOTS, "nothing", covered=(CoveredWindow(),), releases_at=SOON + timedelta(days=1)
        ),
        "w2": Reading(Outcome.OVERLOADED, "busy", releases_at=SOON),
    }
    assert run(readings)[0].releases_at == SOON
    assert run({"0": readings["w1"]})[0].releases_at == SOON + timedelta(days=1)
    assert run({"0": leads(releases_at=NOW)})[0].releases_at is None
