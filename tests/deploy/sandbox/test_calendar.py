"""The weekly calendar shows exactly what is open in that week."""

import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import time_machine
from hypothesis import given
from hypothesis import strategies as st

from deploy.sandbox.clock import today
from deploy.sandbox.platforms.ezbooking.calendar import week_fragment

PARIS = ZoneInfo("Europe/Paris")
START = datetime(2026, 11, 20, 9, tzinfo=UTC)
moments = st.integers(1, 365 * 86_400).map(lambda seconds: START + timedelta(seconds=seconds))
near = st.integers(1, 90 * 86_400).map(lambda seconds: START + timedelta(seconds=seconds))


def shown(page: str) -> list[int]:
    return [int(unix) for unix in re.findall(r'<a href="/booking/create/23014/5/(\d+)"', page)]


@given(st.lists(moments, max_size=25, unique=True), st.integers(0, 60))
def test_a_week_links_each_of_its_open_slots_and_no_other(found: list[datetime], week: int) -> None:
    with time_machine.travel(START, tick=False):
        slots = [int(moment.timestamp()) for moment in found]
        page = week_fragment(23014, slots, 7 * week)
        first = today() + timedelta(days=7 * week)
        expected = {
            slot
            for slot in slots
            if first <= datetime.fromtimestamp(slot, PARIS).date() < first + timedelta(days=7)
        }
        assert set(shown(page)) == expected
        assert len(shown(page)) == len(expected)
        # The legend has the word once more: who counts words instead of links is wrong by one.
        assert page.count(">libre<") == len(expected) + 1


@given(st.lists(near, max_size=10, unique=True))
def test_all_weeks_together_show_everything(found: list[datetime]) -> None:
    with time_machine.travel(START, tick=False):
        slots = sorted({int(moment.timestamp()) for moment in found})
        pages = [week_fragment(23014, slots, days) for days in range(0, 98, 7)]
        assert sorted(slot for page in pages for slot in shown(page)) == slots


def test_an_empty_week_says_complet_and_not_a_sentence() -> None:
    page = week_fragment(23014, [], 0)
    assert shown(page) == []
    assert page.count(">libre<") == 1
    assert "complet" in page
    assert 'colspan="7"' in page


def test_days_are_counted_from_the_date_in_paris() -> None:
    # 23:30 UTC is half past midnight in Paris: the next day.
    with time_machine.travel(datetime(2026, 11, 20, 23, 30, tzinfo=UTC), tick=False):
        assert today().isoformat() == "2026-11-21"
        assert "Semaine du 21/11/2026 au 27/11/2026" in week_fragment(23014, [], 0)
        assert "Semaine du 28/11/2026 au 04/12/2026" in week_fragment(23014, [], 7)


def test_an_hour_that_is_repeated_in_october_shows_both_slots() -> None:
    first = int(datetime(2026, 10, 25, 0, 30, tzinfo=UTC).timestamp())
    with time_machine.travel(datetime(2026, 10, 24, 9, tzinfo=UTC), tick=False):
        page = week_fragment(23014, [first, first + 3600], 0)
        assert sorted(shown(page)) == [first, first + 3600]


def test_a_slot_stands_in_the_column_of_its_day_and_the_row_of_its_hour() -> None:
    with time_machine.travel(START, tick=False):
        slot = int(datetime(2026, 11, 24, 10, 20, tzinfo=PARIS).timestamp())
        page = week_fragment(23014, [slot], 0)
    rows = re.findall(r"<tr>(.*?)</tr>", page, re.DOTALL)
    row = next(row for row in rows if f"/5/{slot}" in row)
    cells = re.findall(r"<td.*?</td>", row, re.DOTALL)
    heads = re.findall(r'<th scope="col">(.*?)</th>', page)
    (place,) = [place for place, cell in enumerate(cells) if "href" in cell]
    assert heads[place] == "Mardi 24/11"
    assert "10h20" in cells[place]
