from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.models.slot import GoneReason
from configs.world.desk import Outcome
from crawler.reading import CoveredWindow, Place, Slot
from crawler.recording.desk_state_update import CheckOutcome
from crawler.recording.slot_diff import OPEN, OpenSlot, SlotChanges, compare_slots
from tests.crawler.checks import check
from tests.crawler.held import make_desk

NOW = datetime(2026, 11, 20, 9, tzinfo=UTC)
PARIS = ZoneInfo("Europe/Paris")
TODAY = date(2026, 11, 20)
HOUR = datetime(2026, 12, 1, 8, 30, tzinfo=UTC)
LATER = HOUR + timedelta(days=7)
WHOLE = (CoveredWindow(),)
DESK = make_desk()


def slot(moment: datetime | date | None, place: str = "a", seats: int | None = None) -> Slot:
    return Slot(Place(place), moment, seats=seats)


def row(moment: datetime | date | None, place: str = "a", row_id: int = 1) -> OpenSlot:
    shown = slot(moment, place)
    return OpenSlot(row_id, place, shown.moment_text, shown.starts_at)


def look(
    known: Sequence[OpenSlot],
    *slots: Slot,
    covered: Sequence[CoveredWindow] = (),
    outcome: Outcome | None = None,
    now: datetime = NOW,
) -> SlotChanges:
    proved = outcome or (Outcome.SLOTS if slots else Outcome.NO_SLOTS)
    return compare_slots(saw(proved, slots, covered, now), known)


def saw(
    outcome: Outcome, shown: Sequence[Slot], covered: Sequence[CoveredWindow], now: datetime = NOW
) -> CheckOutcome:
    seen = check("a", 1, *shown, outcome=outcome, covered=tuple(covered), seen_at=now)
    return CheckOutcome(DESK, seen, SimpleNamespace(whole_before=None))


@pytest.mark.rule("3.4")
def test_a_slot_that_is_still_open_is_seen_again_and_no_news() -> None:
    assert look([row(HOUR)], slot(HOUR, seats=3), covered=WHOLE) == SlotChanges(
        again=((1, slot(HOUR, seats=3)),)
    )


@pytest.mark.rule("3.3")
def test_a_slot_whose_place_or_date_is_not_covered_stays() -> None:
    elsewhere = CoveredWindow("b")
    before = CoveredWindow("a", None, HOUR.date() - timedelta(days=1))
    after = CoveredWindow("a", HOUR.date() + timedelta(days=1), None)
    assert look([row(HOUR)], slot(LATER, "b"), covered=[elsewhere, before, after]).gone == ()
    assert look([row(HOUR)], covered=[]) == SlotChanges()


def test_a_slot_is_covered_on_its_local_date() -> None:
    midnight = datetime(2026, 11, 30, 23, 30, tzinfo=UTC)  # 00:30 on 1 December in Paris
    assert (
        look([row(midnight)], covered=[CoveredWindow("a", date(2026, 11, 30), date(2026, 11, 30))]).gone == ()
    )
    assert look([row(midnight)], covered=[CoveredWindow("a", date(2026, 12, 1), date(2026, 12, 1))]).gone


@pytest.mark.rule("3.3")
def test_a_slot_opens_whatever_failed_elsewhere_and_closes_nothing_there() -> None:
    changed = look([row(HOUR)], slot(LATER), covered=[CoveredWindow("a", LATER.date(), LATER.date())])
    assert changed == SlotChanges(news=(slot(LATER),))


@pytest.mark.rule("3.3")
def test_an_inconclusive_check_closes_nothing_but_opens_what_it_saw() -> None:
    changed = look([row(HOUR)], slot(LATER), covered=WHOLE, outcome=Outcome.OVERLOADED)
    assert changed == SlotChanges(news=(slot(LATER),))


def test_a_slot_whose_moment_came_is_past_even_if_the_check_proved_nothing() -> None:
    changed = look([row(HOUR), row(TODAY, row_id=2)], outcome=Outcome.UNREACHABLE, now=HOUR)
    assert changed == SlotChanges(gone=((1, GoneReason.PAST), (2, GoneReason.PAST)))


@pytest.mark.rule("3.3")
def test_open_opens_only_where_its_place_has_no_open_slot() -> None:
    assert look([], slot(None)) == SlotChanges(news=(slot(None),))
    assert look([row(HOUR)], slot(None)) == SlotChanges(still_open=("a",))
    assert look([row(HOUR)], slot(None, "b")) == SlotChanges(news=(slot(None, "b"),))
    assert look([], slot(None), slot(HOUR)) == SlotChanges(news=(slot(HOUR),))


@pytest.mark.rule("3.4")
def test_a_day_without_its_hour_opens_only_where_no_hour_of_it_is_open() -> None:
    late = datetime(2026, 11, 30, 23, 30, tzinfo=UTC)  # 00:30 on 1 December in Paris
    day = slot(date(2026, 12, 1))
    assert look([row(late)], day) == SlotChanges(still_open=("a",))
    assert look([row(late, "b")], day) == SlotChanges(news=(day,))
    assert look([row(late - timedelta(hours=1))], day) == SlotChanges(news=(day,))
    assert look([row(late)], day, covered=WHOLE).news == (day,)
    assert look([], day, slot(late)) == SlotChanges(news=(slot(late),))
    assert look([row(day.moment)], day, slot(late)).again == ((1, day),)


def test_the_hours_of_a_place_that_was_told_as_open_supersede_it_in_silence() -> None:
    changed = look([row(None)], slot(HOUR), slot(LATER, "b"))
    assert changed.gone == ((1, GoneReason.SUPERSEDED),)
    assert changed.quiet == (slot(HOUR),)
    assert changed.news == (slot(LATER, "b"),)


@pytest.mark.rule("3.3")
def test_open_closes_when_the_weeks_asked_leave_no_day_out() -> None:
    weeks = [
        CoveredWindow("a", TODAY + timedelta(days=7 * n), TODAY + timedelta(days=7 * n + 6))
        for n in range(13)
    ]
    assert look([row(None)], covered=weeks[::-1]).gone
    assert not look([row(None)], covered=weeks[:5] + weeks[6:]).gone
    assert not look([row(None)], covered=weeks[:12]).gone
    assert not look([row(None)], covered=weeks[1:]).gone


days = st.integers(-3, 95).map(lambda ahead: TODAY + timedelta(days=ahead))
moments = st.one_of(
    st.none(),
    days,
    st.builds(
        lambda day, hour: datetime(day.year, day.month, day.day, hour, tzinfo=UTC), days, st.integers(0, 23)
    ),
)
places = st.sampled_from("ab")
slots = st.lists(st.builds(slot, moments, places), max_size=6)
windows = st.lists(
    st.builds(
        CoveredWindow, st.one_of(st.none(), places), st.one_of(st.none(), days), st.one_of(st.none(), days)
    ),
    max_size=4,
)
seen = st.builds(saw, st.sampled_from(Outcome), slots, windows)


def apply(known: Sequence[OpenSlot], changed: SlotChanges) -> list[OpenSlot]:
    gone = {row_id for row_id, _ in changed.gone}
    start = max([each.id for each in known], default=0) + 1
    opened = [
        row(each.moment, each.place.key, start + n) for n, each in enumerate(changed.news + changed.quiet)
    ]
    return [each for each in known if each.id not in gone] + opened


def table(looks: Sequence[CheckOutcome]) -> list[OpenSlot]:
    rows: list[OpenSlot] = []
    for each in looks:
        rows = apply(rows, compare_slots(each, rows))
    return rows


@given(st.lists(seen, max_size=4))
def test_no_slot_is_ever_open_twice_and_no_open_stands_beside_hours_it_was_shown_with(
    looks: list[CheckOutcome],
) -> None:
    rows = table(looks)
    assert len({(each.place_key, each.moment) for each in rows}) == len(rows)
    for place in "ab":
        here = [each.moment for each in rows if each.place_key == place]
        assert OPEN not in here or here == [OPEN]


@given(st.lists(seen, max_size=3), seen)
def test_seeing_the_same_again_changes_nothing(looks: list[CheckOutcome], last: CheckOutcome) -> None:
    rows = table([*looks, last])
    again = compare_slots(last, rows)
    assert (again.news, again.quiet, again.gone) == ((), (), ())


@given(st.lists(seen, max_size=3), seen)
def test_whatever_is_shown_and_ahead_is_open_afterwards(
    looks: list[CheckOutcome], last: CheckOutcome
) -> None:
    found = table([*looks, last])
    rows = {(each.place_key, each.moment) for each in found}
    timed_days = {
        (each.place_key, each.starts_at.astimezone(PARIS).date()) for each in found if each.starts_at
    }
    for shown in last.check.slots:
        ahead = shown.moment is not None and (
            shown.moment > NOW if isinstance(shown.moment, datetime) else shown.moment >= TODAY
        )
        key = shown.place.key, shown.moment_text
        assert not ahead or key in rows or (shown.place.key, shown.moment) in timed_days
        assert shown.moment is not None or any(place == shown.place.key for place, _ in rows)


@pytest.mark.rule("3.3")
@given(st.lists(seen, max_size=3), seen)
def test_only_what_was_proven_absent_goes(looks: list[CheckOutcome], last: CheckOutcome) -> None:
    rows = table(looks)
    by_id = {each.id: each for each in rows}
    for row_id, reason in compare_slots(last, rows).gone:
        if reason is GoneReason.TAKEN:
            assert last.check.outcome.conclusive
            assert any(window.place_key in (None, by_id[row_id].place_key) for window in last.check.covered)
            assert (by_id[row_id].place_key, by_id[row_id].moment) not in {
                (shown.place.key, shown.moment_text) for shown in last.check.slots
            }
