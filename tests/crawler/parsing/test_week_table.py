"""Whole tables of hours; what a week proves is in the golden pages and tests of EZBooking."""

from datetime import date

import pytest

from crawler.parsing.week_table import is_whole_table, whole_days
from tests.crawler.pages import page

LEGEND = "<p><span>libre</span> <span>pris</span></p>"
TAKEN = "<td>9:00 pris</td>"
HOURS_TABLE = f"<table><tr><td><a href='/pick/1'>libre</a></td>{TAKEN * 6}</tr></table>"


def whole(body: str) -> bool:
    return is_whole_table(page(body), "libre", "/pick/")


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
