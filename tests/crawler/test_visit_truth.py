"""The truth table of docs/reference/visit.md: what the readings of a visit prove together."""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from configs.world.outcome import Outcome
from crawler.parsing.json_calendar import Listing, WindowRequest, read_listing
from crawler.reading import CoveredWindow, Page, PageRequest, Place, Reading, Slot, VisitContext
from crawler.visit_state import VisitState
from tests.in_turn import in_turn

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "visit.md"
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


def ask(name: str, place: Place = A, days_ahead: int = 0) -> PageRequest:
    return PageRequest(f"https://site/{name}", place=place, window=window(days_ahead, place))


WEEKS = (ask("w0"), ask("w1", days_ahead=7))
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
    state = VisitState(START, limit=row.limit, now=NOW.astimezone(PARIS))
    while following := state.next():
        state.add_reading(following, row.answers[following.url.rpartition("/")[2]])
    result = state.result()
    assert (result.outcome, tuple(slot.moment for slot in result.slots), result.covered) == (
        row.outcome,
        row.moments,
        row.covered,
    )


def test_the_page_has_the_same_rows_with_the_same_outcomes() -> None:
    lines = re.findall(
        r"^\| (\d+) \| [^|]* \| (?:`(\w+)`|the trouble's) \| ([^|]*) \|", PAGE.read_text(), re.MULTILINE
    )
    shown = {None: "open", HOUR: "H", DAY: "D"}
    assert {int(number): (outcome or T.value, slots) for number, outcome, slots in lines} == {
        number: (row.outcome.value, ", ".join(shown[each] for each in row.moments) or "\u2013")
        for number, row in ROWS.items()
    }
