from datetime import date

from hypothesis import given
from hypothesis import strategies as st
from lxml.html import HtmlElement

from crawler.parsing.html_text import (
    contains_phrase,
    names_date,
    period,
    title,
    visible_text,
)
from tests.crawler.pages import page
from tests.in_turn import in_turn


def document(body: str) -> HtmlElement:
    return page(body).root


WEEK = (date(2026, 11, 23), date(2026, 11, 29))


@in_turn(
    "text",
    [
        "Semaine du 23/11/2026 au 29/11/2026",
        "du lundi 23 novembre 2026 au dimanche 29 novembre 2026",
        "Du 23 au 29 novembre 2026",
        "Semaine 48 : du lundi 23 novembre au dimanche 29 novembre 2026",
        "23.11.2026 - 29.11.2026",
        "du\n 23/11/2026\xa0au 29/11/2026",
    ],
)
def test_a_period_is_read_in_the_ways_people_write_it(text: str) -> None:
    assert period(text) == WEEK


@in_turn(
    "text, dates",
    [
        ("du 28 décembre au 3 janvier 2027", (date(2026, 12, 28), date(2027, 1, 3))),
        ("du 28 décembre 2026 au 3 janvier 2027", (date(2026, 12, 28), date(2027, 1, 3))),
        ("du 1er au 7 février 2027", (date(2027, 2, 1), date(2027, 2, 7))),
        ("du 29 août au 4 septembre 2026", (date(2026, 8, 29), date(2026, 9, 4))),
    ],
)
def test_what_the_first_date_leaves_out_is_the_seconds(text: str, dates: tuple[date, date]) -> None:
    assert period(text) == dates


@in_turn(
    "text",
    [
        "",
        "Semaine 48",
        "23/11/2026",
        "du 31/02/2026 au 07/03/2026",
        "du 23 au 29",
        "du 29/11/2026 au 23/11/2026",
    ],
)
def test_what_is_no_period_is_none(text: str) -> None:
    assert period(text) is None


@in_turn("text", ["Semaine 48", "du 23/11 au 29/11", "Le 23.11.2026", "1er décembre", "23 NOVEMBRE"])
def test_a_heading_that_names_a_day_or_a_week_is_dated(text: str) -> None:
    assert names_date(text)


@given(st.dates(date(2000, 1, 1), date(2100, 1, 1)), st.dates(date(2000, 1, 1), date(2100, 1, 1)))
def test_written_dates_come_back(one: date, other: date) -> None:
    first, last = sorted((one, other))
    assert period(f"du {first:%d/%m/%Y} au {last:%d/%m/%Y}") == (first, last)


@in_turn(
    "text, sentence",
    [
        ("dossier incomplet", "complet"),
        ("à compléter", "complet"),
        ("Aucun créneau disponible cette semaine", "Aucun créneau disponible."),
        ("Aucun créneau", "Aucun créneau disponible"),
        ("aucuncréneau", "Aucun créneau"),
        ("", "Complet"),
        ("Complet", "\u0301"),
    ],
)
def test_other_words_are_another_sentence(text: str, sentence: str) -> None:
    assert not contains_phrase(text, sentence)


@in_turn("written", ["a\x1b[2Jb", "a\x9b2Jb", "a&#27;[2Jb", "a\x07 b", "a\u2028b"])
def test_what_speaks_to_a_terminal_is_taken_out_of_titles_and_texts(written: str) -> None:
    root = document(f"<html><head><title>{written}</title></head><body>{written}</body></html>")
    assert (title(root)[:2], title(root)[-1]) == ("a ", "b")
    assert title(root).isprintable()
    assert visible_text(root).isprintable()
