from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from configs.world.outcome import Outcome
from crawler.block_pages import classify_page
from crawler.platforms import platform
from crawler.reading import CoveredWindow, Page, PageRequest, Reading, VisitContext
from crawler.visit_state import VisitResult, VisitState
from tests.crawler.pages import TODAY
from tests.in_turn import in_turn

SELECTORS = platform("selectors")

URL = "https://mairie.example/rdv"
PARIS = ZoneInfo("Europe/Paris")
NONE = "Aucun créneau disponible"
BY_DAY = {
    "available": "td.libre",
    "date": "./ancestor::tr/th",
    "time": "./@data-heure",
    "place": "./ancestor::table/caption",
    "link": "./a/@href",
    "no_slot_text": NONE,
}


def by_day(text: str = "lundi 23 novembre", hour: str = "9h30") -> str:
    return (
        f"<html><body><table><caption>Annexe nord</caption><tr><th>{text}</th><td class='libre' data-heure='{hour}'>"
        "<a href='/rdv/4?x=1#a'>libre</a></td><td class='pris' data-heure='10h'></td></tr></table></body></html>"
    )


def visit(**parameters: Any) -> VisitContext:
    return VisitContext(URL, TODAY, PARIS, SELECTORS.Parameters(**parameters or BY_DAY))


def read(body: str, step: str = "", url: str = URL, **parameters: Any) -> Reading:
    here = visit(**parameters)
    return classify_page(SELECTORS, Page(url, 200, body.encode(), here, PageRequest(url, step)))


def checked(site: dict[str, str], **parameters: Any) -> tuple[VisitResult, int]:
    """Visit a site of these pages by address, forms left out; return the number of requests, too."""
    here = visit(**parameters)
    state = VisitState(SELECTORS.first_request(here), limit=30, now=datetime(2026, 11, 20, 9, tzinfo=PARIS))
    while ask := state.next():
        state.add_reading(
            ask, classify_page(SELECTORS, Page(ask.url, 200, site[ask.url].encode(), here, ask))
        )
    return state.result(), state.asked


@in_turn(
    "slot, date, outcome",
    [
        ("lundi 23 novembre", ".", Outcome.UNREADABLE),  # of a tab that is not open
        ("libre", None, Outcome.UNREADABLE),
        ("Jour et heure", ".", Outcome.NO_SLOTS),  # a row to be copied by a script
    ],
)
def test_a_free_slot_that_the_page_hides_is_none_and_a_doubt_about_none(
    slot: str, date: str | None, outcome: Outcome
) -> None:
    rules = {"available": "a.x", "no_slot_text": NONE} | ({"date": date} if date else {})
    hidden = f"<div hidden><a class=x>{slot}</a></div>"
    assert read(f"<p>{NONE}</p>{hidden}", **rules).outcome is outcome
    assert read(hidden, **rules).outcome is Outcome.UNREADABLE


def test_the_last_slot_of_a_page_that_broke_off_is_not_believed() -> None:
    link = "<a class=x>lundi 23 novembre 9h30</a>"
    body = f"<html><body>{link}<a class=x>mardi 24 novembre 14h"
    reading = read(body, available="a.x", date=".", no_slot_text=NONE)
    assert (len(reading.slots), reading.covered) == (1, ())
    assert read(link, available="a.x", date=".", no_slot_text=NONE).covered == (CoveredWindow(),), (
        "a part of a page is whole"
    )


def test_pages_are_followed_as_far_as_the_desk_says_and_what_is_on_any_counts() -> None:
    more = "<a rel=next href='/rdv?p={}'>suite</a>"
    pages = {
        URL: f"<p>{NONE} cette semaine</p>{more.format(2)}",
        f"{URL}?p=2": by_day() + more.format(3),
        f"{URL}?p=3": f"<p>{NONE}</p>{more.format(4)}",
    }
    rules = {**BY_DAY, "next_page": "a[rel=next]", "pages": 3}
    result, asked = checked(pages, **rules)
    assert (result.outcome, len(result.slots), result.covered, asked) == (
        Outcome.SLOTS,
        1,
        (CoveredWindow(),),
        3,
    )
    pages[f"{URL}?p=2"] = f"<p>{NONE}</p>{more.format(3)}"
    result, asked = checked(pages, **rules)
    assert (result.outcome, result.covered, asked) == (Outcome.NO_SLOTS, (CoveredWindow(),), 3)
    pages[f"{URL}?p=2"] = by_day("bientôt") + more.format(3)
    assert checked(pages, **rules)[0].outcome is Outcome.UNREADABLE


def test_a_moment_that_is_announced_is_a_doubt_where_it_stands_elsewhere_too() -> None:
    news, rules = "<p class=n>Prochaine ouverture : 30 novembre à 10h</p>", {**BY_DAY, "ignore": "p.n, p.n b"}
    assert read(f"<p>{NONE}</p>{news}", **rules).outcome is Outcome.NO_SLOTS
    assert read(f"<p>{NONE}</p>{news}{news.replace('class=n', '')}", **rules).outcome is Outcome.UNREADABLE


@in_turn(
    "parameters, said",
    [
        ({"available": "a"}, "name no_slot_text or no_slot"),
        ({"available": "a", "no_slot_text": " "}, "at least 1 character"),
        ({"available": "a[", "no_slot_text": NONE}, "neither CSS nor XPath"),
        ({"available": "a", "no_slot": "//p[", "date": "."}, "neither CSS nor XPath"),
        ({"available": "a", "no_slot": "p", "time": "b"}, "of no use without date"),
        ({"no_slot": "p"}, "Field required"),
        ({"available": "a", "no_slot": "p", "pages": 21}, "less than or equal to 20"),
        ({"available": "a", "no_slot": "p", "steps": [{"at": "a", "field": {}}]}, "Extra inputs"),
    ],
)
def test_rules_that_do_not_hold_are_refused(parameters: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        SELECTORS.Parameters(**parameters)


@given(
    walls=st.lists(st.datetimes(datetime(2026, 11, 21), datetime(2027, 2, 18)), unique=True, max_size=8),  # noqa: DTZ001
    taken=st.booleans(),
)
def test_the_slots_that_are_written_are_the_slots_that_are_read(
    *, walls: list[datetime], taken: bool
) -> None:
    walls = [wall.replace(second=0, microsecond=0) for wall in walls]
    moments = {wall.replace(tzinfo=PARIS).astimezone(UTC) for wall in walls}
    moments = {each for each in moments if each.astimezone(PARIS).replace(tzinfo=None) in walls}
    links = "".join(f"<a class=x href='/{n}'>{wall:%d/%m/%Y %H:%M}</a>" for n, wall in enumerate(walls))
    page = f"<html><body>{links or f'<p>{NONE}</p>'}{'<i>pris</i>' if taken else ''}</body></html>"
    reading = read(page, available="a.x", date=".", no_slot_text=NONE)
    assert {slot.moment for slot in reading.slots} == moments
    assert bool(reading.covered) == (len(moments) == len(set(walls)))
