from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from string import ascii_lowercase
from typing import Any

import pytest
import sqlalchemy as sa

from api.models.base import engine, session
from api.models.desk import DeskState
from api.models.slot import GoneReason, SlotRow
from configs.world.desk import Desk
from crawler.reading import CoveredWindow, Place, Slot
from crawler.recording.slot_expiry import close_unproven
from tests.crawler.checks import HOST, HOUR, NOW, recorded
from tests.factories import one, rows, save

pytestmark = pytest.mark.usefixtures("database")


def open_slot(
    proven: timedelta,
    *,
    wished: float | None = 60,
    feasible: float | None = 30,
    seen: timedelta | None = None,
    whole: timedelta | None = None,
    coverage: dict[str, Any] | None = None,
    day: str = "open",
    desk: str = "a",
) -> None:
    """Open a slot of that day at a desk that was proven so long ago (seen then, unless `seen` says otherwise).

    `whole`: how long ago all of the desk was covered.
    """
    at = NOW - (proven if seen is None else seen)
    save(DeskState(
        id=f"evry_91/{desk}", last_proven_at=NOW - proven, wished_seconds=wished, feasible_seconds=feasible,
        whole_at=None if whole is None else NOW - whole, coverage=coverage or sa.null(),
    ))  # fmt: skip
    slot = {"desk_id": f"evry_91/{desk}", "place_key": "1", "moment": day, "url": "http://127.77.0.91/"}
    save(SlotRow(**slot, opened_at=at, seen_at=at))


def lapse(now: datetime = NOW) -> int:
    with session() as s:
        return close_unproven(s, now)


def reason() -> GoneReason | None:
    return one(SlotRow).gone_reason


def find_lapsed() -> list[str]:
    """Let slots lapse; return the desks of those that did."""
    lapsed = lapse()
    gone = rows(SlotRow, SlotRow.gone_reason == GoneReason.LAPSED)
    assert (lapsed, lapse()) == (len(gone), 0)
    return sorted(each.desk_id.removeprefix("evry_91/") for each in gone)


def name(cases: Sequence[tuple[Any, ...]]) -> dict[str, tuple[Any, ...]]:
    """Return cases by the desks that have them: `a`, `b` …"""
    return dict(zip(ascii_lowercase, cases, strict=False))


@pytest.mark.rule("3.3")
def test_slots_lapse_after_ten_minutes_and_five_intervals_or_ten_minutes_where_nobody_waits() -> None:
    cases = name([
        (9, 60, 30, False),
        (10, 60, 30, True),
        (10, None, None, True),
        (14, 60, 180, False),
        (15, 60, 180, True),
        (9, 6 * 3600, 30, False),
        (10, 6 * 3600, 30, True),
    ])  # fmt: skip
    for desk, (minutes, wished, feasible, _) in cases.items():
        open_slot(timedelta(minutes=minutes), wished=wished, feasible=feasible, desk=desk)
    assert find_lapsed() == [desk for desk, case in cases.items() if case[-1]]


def covered(first: str, last: str, minutes: int) -> list[list[str]]:
    return [[first, last, (NOW - timedelta(minutes=minutes)).isoformat()]]


def test_a_slot_that_is_not_shown_stays_only_while_its_place_and_day_are_covered(
    desk_files: Callable[..., dict[str, Desk]],
) -> None:
    cases = name([
        (timedelta(minutes=9), None, False),
        (timedelta(minutes=10), None, True),
        (None, None, True),
        (None, {"1": covered("2026-11-20", "2026-11-27", 9)}, False),
        (None, {"1": covered("2026-11-20", "2026-11-27", 10)}, True),
        (None, {"1": covered("2026-11-20", "2026-11-26", 1)}, True),
        (None, {"1": covered("2026-11-28", "9999-12-31", 1)}, True),
        (None, {"1": [], "2": covered("0001-01-01", "9999-12-31", 0)}, True),
        (None, {"1": [], "*": covered("2026-11-20", "2026-11-27", 0)}, False),
        (None, {"1": [], "*": covered("2026-11-20", "2026-11-26", 0)}, True),
        (timedelta(minutes=1), {"2": covered("0001-01-01", "9999-12-31", 0)}, True),
    ])  # fmt: skip
    desk_files(**dict.fromkeys(cases, HOST))
    seen: dict[str, Any] = {"seen": timedelta(hours=1), "day": "2026-11-27"}
    for desk, (whole, coverage, _) in cases.items():
        open_slot(timedelta(minutes=1), whole=whole, coverage=coverage, desk=desk, **seen)
    assert find_lapsed() == [desk for desk, case in cases.items() if case[-1]]


LAST_DAY = "2027-02-18"  # that is watched: 90 days ahead


@pytest.mark.rule("3.3")
def test_an_answer_for_all_of_a_desk_covers_the_days_that_are_watched_and_open_needs_them_all(
    desk_files: Callable[..., dict[str, Desk]],
) -> None:
    cases = name([
        (LAST_DAY, timedelta(minutes=1), None, False),
        ("2027-02-19", timedelta(minutes=1), None, True),
        ("open", timedelta(minutes=1), None, False),
        ("open", None, {"1": covered("2026-11-20", LAST_DAY, 1)}, False),
        ("open", None, {"1": covered("2026-11-20", "2027-02-17", 1)}, True),
    ])  # fmt: skip
    desk_files(**dict.fromkeys(cases, HOST))
    seen = timedelta(hours=1)
    for desk, (day, whole, coverage, _) in cases.items():
        open_slot(timedelta(minutes=1), seen=seen, whole=whole, coverage=coverage, day=day, desk=desk)
    assert find_lapsed() == [desk for desk, case in cases.items() if case[-1]]


def test_a_desk_that_is_being_written_is_left_to_the_next_look() -> None:
    open_slot(timedelta(hours=1))
    with engine().begin() as writer:
        writer.exec_driver_sql("UPDATE desks SET last_token = 9 WHERE id = 'evry_91/a'")
        assert lapse() == 0
    assert lapse() == 1


class Form:
    """A desk whose form offers places, visited each minute."""

    def __init__(self) -> None:
        self.at, self.token = NOW, 0

    def visit(self, *slots: Slot, covered: str = "", places: str = "", minutes: int = 1) -> int:
        """Visit the desk so often; return how many detections that made."""
        made = 0
        for _ in range(minutes):
            lapse(self.at + timedelta(minutes=1))
            made += self.look(*slots, covered=tuple(map(CoveredWindow, covered)), places=tuple(places))
        return made

    def look(self, *slots: Slot, covered: tuple[CoveredWindow, ...], places: tuple[str, ...]) -> int:
        """Visit the desk a minute later, without a look at what lapses; return how many detections that made."""
        self.at, self.token = self.at + timedelta(minutes=1), self.token + 1
        return len(recorded(self.at, "a", self.token, *slots, covered=covered, places=places).detections)


@pytest.fixture
def form(planned_desks: Callable[..., dict[str, Desk]]) -> Form:
    planned_desks(a=HOST)
    return Form()


def gone_reasons() -> dict[str, set[GoneReason | None]]:
    found = rows(SlotRow)
    return {
        row.place_key: {each.gone_reason for each in found if each.place_key == row.place_key}
        for row in found
    }


P, Q = Slot(Place("P"), None), Slot(Place("Q"), HOUR)
NEAR = Slot(Place("P"), HOUR - timedelta(days=3))


@pytest.mark.rule("3.3")
def test_a_place_that_left_the_form_and_comes_back_with_slots_is_told_again(form: Form) -> None:
    assert form.visit(P, Q, covered="Q", places="PQ") == 1
    assert form.visit(Q, covered="Q", places="Q", minutes=9) == 0
    assert gone_reasons() == {"P": {None}, "Q": {None}}
    assert form.visit(Q, covered="Q", places="Q", minutes=3) == 0
    assert gone_reasons() == {"P": {GoneReason.LAPSED}, "Q": {None}}
    assert form.visit(P, Q, covered="Q", places="PQ") == 1


@pytest.mark.rule("3.3")
def test_a_slot_whose_day_is_not_covered_any_more_lapses_and_is_told_when_it_comes_back(form: Form) -> None:
    near, far = Slot(Place("P"), HOUR - timedelta(days=3)), Slot(Place("P"), HOUR)
    assert form.visit(near, far, covered="P", places="P") == 1
    for _ in range(10):
        form.look(near, covered=(CoveredWindow("P", None, HOUR.date() - timedelta(days=1)),), places=("P",))
    assert lapse(form.at) == 1
    assert form.visit(near, far, covered="P", places="P") == 1


WEEKS = [
    CoveredWindow("P", NOW.date() + timedelta(weeks=n), NOW.date() + timedelta(weeks=n, days=6))
    for n in range(13)
]


class Calendar(Form):
    """A form with one place, whose weeks are read in turn, one with each visit."""

    def read_week(self, number: int, *hours: Slot) -> int:
        """Read a week that shows these hours, or none; the place is open. Return how many detections that made."""
        made = self.look(*(hours or (P,)), covered=(WEEKS[number],), places=("P",))
        lapse(self.at + timedelta(seconds=30))
        return made

    def read_weeks(self, first: int, last: int) -> list[int]:
        """Read weeks without hours, one after the other, the last included."""
        return [self.read_week(number) for number in range(first, last + 1)]


@pytest.fixture
def calendar(planned_desks: Callable[..., dict[str, Desk]]) -> Calendar:
    """Give a calendar whose place opened, and whose hours superseded that in silence with the last visit."""
    planned_desks(a=HOST)
    made = Calendar()
    assert made.read_week(0) == 1
    assert made.read_week(1, NEAR) == 0
    return made


@pytest.mark.rule("3.4")
def test_a_place_whose_weeks_bring_trouble_while_its_hours_lapse_is_not_detected_again(
    calendar: Calendar,
) -> None:
    assert calendar.visit(P, places="P", minutes=15) == 0


@pytest.mark.rule("3.3")
def test_a_place_that_is_not_called_open_while_its_hours_lapse_opens_anew(calendar: Calendar) -> None:
    for number in range(2, 13):
        calendar.look(covered=(WEEKS[number],), places=("P",))
    assert lapse(calendar.at + timedelta(seconds=30)) == 1
    assert gone_reasons() == {"P": {GoneReason.SUPERSEDED, GoneReason.LAPSED}}
    assert calendar.read_week(12) == 1


@pytest.mark.rule("3.4")
def test_a_place_whose_hours_were_taken_before_others_opened_and_lapsed_opens_anew(
    calendar: Calendar,
) -> None:
    calendar.visit(covered="P", places="P")
    assert calendar.read_week(1, Slot(Place("P"), HOUR - timedelta(days=2))) == 1
    assert calendar.read_weeks(2, 11) == [0] * 10
    assert calendar.read_week(12) == 1


@pytest.mark.rule("3.4")
def test_a_place_whose_hours_are_taken_while_it_is_called_open_has_others_that_are_new(
    calendar: Calendar,
) -> None:
    assert calendar.read_weeks(2, 5) == [0] * 4
    assert calendar.read_week(1) == 1


@pytest.mark.rule("3.4")
def test_a_place_whose_hours_lapse_one_after_the_other_is_not_detected_again(calendar: Calendar) -> None:
    assert calendar.read_weeks(2, 8) == [0] * 7
    assert calendar.read_week(9, Slot(Place("P"), HOUR + timedelta(weeks=8))) == 1
    assert calendar.read_weeks(10, 12) + calendar.read_weeks(2, 8) == [0] * 10
    assert gone_reasons() == {"P": {None, GoneReason.LAPSED}}


@pytest.mark.rule("3.4")
def test_a_place_whose_hours_lapse_while_their_day_is_named_is_not_detected_again(calendar: Calendar) -> None:
    day = Slot(Place("P"), (HOUR - timedelta(days=3)).date())
    assert calendar.visit(day, places="P", minutes=15) == 0
    assert gone_reasons() == {"P": {None, GoneReason.LAPSED, GoneReason.SUPERSEDED}}
