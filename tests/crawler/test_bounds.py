"""Bounds of page contents, for all platforms; every such check is recorded."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.models.slot import SlotRow
from configs.world.desk import Desk
from crawler.bounds import LONGEST_KEY, LONGEST_LABEL, LONGEST_REASON, bound_key, bound_reading, clean_text
from crawler.reading import CoveredWindow, Outcome, PageRequest, Place, Reading, Slot, VisitContext
from crawler.recording.check_transaction import record_checks
from crawler.visit_state import VisitState
from tests.crawler.checks import HOST, HOUR, NOW, check
from tests.factories import one
from tests.in_turn import in_turn

VISIT = VisitContext("https://a.invalid/", date(2026, 11, 20))
LONG = " ".join(f"mairie{number}" for number in range(900))  # an index takes 2,704 bytes, this has 9 kB
words = st.text(max_size=20) | st.text(alphabet="\0\x1b\ud800\u202eé a", max_size=9) | st.just(LONG)
moments = st.none() | st.dates() | st.datetimes(timezones=st.just(UTC))
slots = st.builds(
    Slot,
    st.builds(Place, words, st.none() | words),
    moments,
    st.none() | words | words.map(lambda text: f"https://a.invalid/{text}"),
    st.none() | st.integers(),
)


def test_what_differs_keeps_different_keys() -> None:
    other = LONG + "!"
    assert bound_key("23018") == "23018"
    assert len({bound_key(LONG), bound_key(other), bound_key("a\0b"), bound_key("a b")}) == 4
    assert len(bound_key(LONG)) <= LONGEST_KEY
    assert bound_key(bound_key(LONG)) == bound_key(LONG)


@in_turn("text", ["a\x1b[31mb", "a\0b", "a\x9b2Jb", "a\u202eb", "a\ud800b", "a\r\nb"])
def test_control_characters_are_taken_out(text: str) -> None:
    cleaned = clean_text(text, 99)
    assert cleaned.startswith("a ")
    assert cleaned.isprintable()


def test_an_address_that_cannot_be_asked_leaves_its_place_unread_and_the_others_are_asked() -> None:
    asks = (
        PageRequest("https://a.invalid/?" + "x" * 9000, place=Place("1")),
        PageRequest("https://a.invalid/2", place=Place("2")),
    )
    reading = bound_reading(Reading(asks=asks), VISIT)
    assert (reading.outcome, reading.asks) == (Outcome.UNREADABLE, asks[1:])


@in_turn(
    "moment, covers",
    [
        (datetime(2027, 2, 18, 23, tzinfo=UTC), True),  # midnight in Paris
        (date(2027, 2, 19), True),
        (date(2027, 11, 19), True),
        (datetime.max.replace(tzinfo=UTC), False),
    ],
)
def test_a_moment_beyond_the_horizon_is_no_slot_and_alone_proves_no_absence(
    *, moment: date, covers: bool
) -> None:
    far, near = Slot(Place("1"), moment), Slot(Place("1"), HOUR)
    both = Reading(Outcome.SLOTS, "two", (far, near), (CoveredWindow("1"),))
    left = bound_reading(both, VISIT)
    assert (left.outcome, left.slots, bool(left.covered)) == (Outcome.SLOTS, (near,), covers)
    alone = bound_reading(replace(both, slots=(far,)), VISIT)
    assert (alone.outcome, alone.slots, alone.covered) == (Outcome.UNREADABLE, (), ())
    for said in (left, alone):
        assert f"1 moment beyond the `horizon` of 90 days, the first {far.moment_text}" in said.reason
    state = VisitState(PageRequest("https://a.invalid/"), limit=1, now=NOW)
    state.add_reading(cast("PageRequest", state.next()), left)
    assert state.result().reason.endswith(f"{far.moment_text}")


@in_turn("day, outcome", [(19, Outcome.NO_SLOTS), (25, Outcome.UNREADABLE)])
def test_the_last_week_of_a_calendar_may_end_behind_the_horizon(day: int, outcome: Outcome) -> None:
    last = CoveredWindow("1", date(2027, 2, 12), date(2027, 2, 18))
    shown = Reading(Outcome.SLOTS, "a week", (Slot(Place("1"), date(2027, 2, day)),), (last,))
    assert bound_reading(shown, VISIT, last).outcome is outcome
    assert bound_reading(shown, VISIT).outcome is Outcome.UNREADABLE


@given(st.lists(slots, max_size=4), words, st.lists(st.builds(CoveredWindow, st.none() | words), max_size=2))
def test_whatever_a_page_says_is_within_bounds_and_bounding_it_again_changes_nothing(
    shown: list[Slot], reason: str, covered: list[CoveredWindow]
) -> None:
    bounded = bound_reading(Reading(None, reason, tuple(shown), tuple(covered)), VISIT)
    assert bound_reading(bounded, VISIT) == bounded
    assert len(bounded.reason) <= LONGEST_REASON
    for slot in bounded.slots:
        assert len(slot.place.key) <= LONGEST_KEY
        assert len(slot.place.label or "") <= LONGEST_LABEL
        assert slot.seats is None or 0 <= slot.seats < 2**31
    json.dumps(
        [[slot.place.key, slot.place.label, slot.url] for slot in bounded.slots], ensure_ascii=False
    ).encode()


@given(st.lists(slots, max_size=4), words)
def test_a_place_keeps_its_key_from_the_form_to_its_calendar(shown: list[Slot], key: str) -> None:
    """A place that is known to be open stays so when its calendar, asked under the page's own key, gives no answer."""
    first, later = PageRequest("https://a.invalid/"), PageRequest("https://a.invalid/1", place=Place(key))
    state = VisitState(first, limit=9, now=NOW)
    asked = state.next()
    assert asked is first
    state.add_reading(asked, bound_reading(Reading(asks=(later,), fallback=(Slot(Place(key), None),)), VISIT))
    assert state.next() is later
    result = state.result()
    assert [slot.place.key for slot in result.slots] == [bound_key(key)]
    assert result.places in ((), (bound_key(key),))


@pytest.mark.rule("3.1")
def test_whatever_a_page_shows_is_recorded(planned_desks: Callable[..., dict[str, Desk]]) -> None:
    planned_desks(a=HOST)
    hostile = Slot(Place(LONG + "\0\ud800", "\x1b[2J" + LONG), HOUR, "https://a.invalid/" + LONG, 10**12)
    said = bound_reading(Reading(Outcome.SLOTS, "\0" + LONG, (hostile,), (CoveredWindow(LONG),)), VISIT)
    record_checks([check("a", 1, *said.slots, reason=said.reason, covered=said.covered, seen_at=NOW)])
    row = one(SlotRow)
    assert (row.url, row.seats) == (check().booking_url, None)
