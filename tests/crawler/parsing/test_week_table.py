from datetime import UTC, date, datetime, timedelta

import pytest

from configs.world.outcome import Outcome
from crawler.parsing.week_table import (
    Linked,
    find_linked_hours,
    is_whole_table,
    read_open_desk,
    read_week,
    whole_days,
)
from crawler.reading import CoveredWindow, PageRequest, Place, Reading, Slot
from tests.crawler.pages import TODAY, page

KIOSK = Linked("pick/7/", "frei", "//caption", "https://kiosk.example/7")
DESK = Place("7", "Kiosk")
NINE = datetime(2026, 11, 23, 8, tzinfo=UTC)
WEEK = CoveredWindow("7", TODAY, TODAY + timedelta(days=6))
WEEKS = [
    PageRequest(f"/week/{ahead}", window=CoveredWindow("7", first, first + timedelta(days=6)))
    for ahead in (0, 7, 14)
    for first in [TODAY + timedelta(days=ahead)]
]


def link(unix: object) -> str:
    return f'<a href="/pick/7/{unix}">frei</a>'


def table(content: str = "", heading: str = "du 20/11/2026 au 26/11/2026") -> str:
    return f"<table><caption>{heading}</caption><tr><td>{content}</td></tr></table><p>frei</p>"


def read(body: str, asked: CoveredWindow | None = WEEK) -> Reading | None:
    return read_week(page(body), KIOSK, DESK, asked, lambda: WEEKS)


def test_hours_are_slots_that_lead_to_the_desk_and_never_to_their_own_link() -> None:
    slots, odd = find_linked_hours(page(table(link(int(NINE.timestamp())) + link("soon"))), KIOSK, DESK)
    assert slots == (Slot(DESK, NINE, "https://kiosk.example/7"),)
    assert odd == ["pick/7/soon"]


def test_a_week_with_hours_covers_itself() -> None:
    reading = read(table(link(int(NINE.timestamp()))))
    assert reading
    assert (reading.outcome, len(reading.slots), reading.covered) == (Outcome.SLOTS, 1, (WEEK,))


@pytest.mark.parametrize(("asked", "then"), [(WEEK, ["/week/7"]), (WEEKS[1].window, []), (None, [])])
def test_an_empty_week_leads_to_the_one_behind_it(asked: CoveredWindow | None, then: list[str]) -> None:
    heading = "du 27/11/2026 au 03/12/2026" if asked == WEEKS[1].window else "du 20/11/2026 au 26/11/2026"
    reading = read_week(page(table(heading=heading)), KIOSK, DESK, asked, lambda: WEEKS[:2])
    assert reading
    assert (reading.outcome, len(reading.covered)) == (None if then else Outcome.NO_SLOTS, 1)
    assert [ask.url for ask in reading.asks] == then


@pytest.mark.parametrize(
    "body",
    [
        table().replace("</table>", ""),
        table("frei"),
        table(heading="Kiosk"),
        table() + table(),
        table(link("soon")),
        table(f"<!-- {link(int(NINE.timestamp()))} -->"),
        table(heading="du 27/11/2026 au 03/12/2026"),
    ],
)
def test_what_is_no_whole_week_and_links_no_hour_proves_nothing(body: str) -> None:
    assert read(body) is None


def test_an_hour_beside_what_is_not_whole_or_of_another_week_is_a_slot_and_covers_nothing() -> None:
    hour = link(int(NINE.timestamp()))
    for body in (
        table(hour + "frei"),
        table(hour + link("soon")),
        table(hour, heading="du 27/11/2026 au 03/12/2026"),
    ):
        reading = read(body)
        assert reading
        assert (len(reading.slots), reading.covered) == (1, ())


def test_an_open_desk_stands_as_open_until_its_calendars_have_answered() -> None:
    unknown, known = Slot(DESK, None), Slot(DESK, date(2026, 11, 23))
    waiting = read_open_desk((), WEEKS, unknown, "open")
    assert (waiting.outcome, waiting.slots, waiting.fallback, len(waiting.asks)) == (None, (), (unknown,), 3)
    seen = read_open_desk((known,), WEEKS, unknown, "open")
    assert (seen.outcome, seen.slots, seen.fallback, len(seen.asks)) == (Outcome.SLOTS, (known,), (), 3)
    for linked, slots in (((), (unknown,)), ((known,), (known,))):
        alone = read_open_desk(linked, [], unknown, "open")
        assert (alone.outcome, alone.slots, alone.reason) == (
            Outcome.SLOTS,
            slots,
            "open, and no calendar can be asked",
        )


LEGEND = "<p><span>libre</span> <span>pris</span></p>"
TAKEN = "<td>9:00 pris</td>"
HOURS_TABLE = f"<table><tr><td><a href='/pick/1'>libre</a></td>{TAKEN * 6}</tr></table>"


def whole(body: str) -> bool:
    return is_whole_table(page(body), "libre", "/pick/")


def test_a_table_that_came_to_its_end_with_its_legend_is_whole() -> None:
    assert whole(HOURS_TABLE + LEGEND)
    assert whole(LEGEND + HOURS_TABLE.replace("<a href='/pick/1'>libre</a>", "")), "with no free hour too"


@pytest.mark.parametrize(
    "body",
    [
        (HOURS_TABLE + LEGEND).replace("</table>", ""),
        HOURS_TABLE + LEGEND + "<p",
        HOURS_TABLE,
        HOURS_TABLE + LEGEND * 2,
        HOURS_TABLE.replace("/pick/1", "/elsewhere") + LEGEND,
        HOURS_TABLE.replace("<a href='/pick/1'>libre</a>", "libre") + LEGEND,
        HOURS_TABLE.replace("<a href='/pick/1'>libre</a>", "<b>libre</b>"),
    ],
    ids=[
        "cut off",
        "broken tag",
        "no legend",
        "two legends",
        "another link",
        "no link",
        "a day for a legend",
    ],
)
def test_a_table_that_may_have_lost_an_hour_is_not(body: str) -> None:
    assert not whole(body)


def days(*columns: str, end: str = "</html>") -> tuple[date, date] | None:
    """Ask for the days of a calendar whose columns are written so, from 23 November on."""
    shown = "".join(f"<div><p><b>{23 + n} novembre</b></p>{each}</div>" for n, each in enumerate(columns))
    seen = page(f"<html><body>{shown}</body>{end}")
    return whole_days(seen, seen.root.xpath("//p[b]"), ".//a", ("Rien de libre", "Fermé"))


FREE, NOTHING = "<a>9:30</a>", "<p>Rien <i>de</i> libre.</p>"


def test_days_that_each_say_what_is_free_are_whole() -> None:
    assert days(FREE, NOTHING, "<p>FERME</p>") == (date(2026, 11, 23), date(2026, 11, 25))
    assert days(NOTHING) == (date(2026, 11, 23), date(2026, 11, 23))


@pytest.mark.parametrize("column", ["", FREE + NOTHING, "<p>?</p>", "<p>Rien</p>"])
def test_a_day_that_says_nothing_or_both_may_leave_an_hour_out(column: str) -> None:
    assert days(FREE, column) is None


def test_a_page_that_broke_off_and_one_without_days_show_none_whole() -> None:
    assert days(FREE, NOTHING, end="") is None
    assert days() is None
