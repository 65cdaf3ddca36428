from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import html
from pydantic import TypeAdapter, ValidationError

from configs.world.desk import Outcome
from crawler.parsing.css_selectors import Selector, element_selector, find_matches
from crawler.parsing.forms import build_request
from crawler.platforms import platform
from crawler.reading import BrowserAction, CoveredWindow, Page, PageRequest, Reading, VisitContext
from crawler.visit_state import VisitResult
from tests.crawler import pages
from tests.crawler.pages import PARIS, play
from tests.in_turn import in_turn

SELECTORS = platform("selectors")

URL = "https://mairie.example/rdv"
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
    return pages.visit(URL, name="selectors", **parameters or BY_DAY)


def read(body: str, **parameters: Any) -> Reading:
    return pages.read(body, name="selectors", url=URL, of=visit(**parameters))


def checked(site: dict[str, str], **parameters: Any) -> tuple[VisitResult, int]:
    """Visit a site of these pages by address, forms left out; return the number of requests, too."""
    result, asked = play("selectors", visit(**parameters), lambda ask: site[ask.url])
    return result, len(asked)


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


# Selectors, and the requests of a form or a link


PAGE = html.document_fromstring(
    "<html><body><ul><li class='libre' data-le='2026-11-23'>a</li><li class='libre'>b</li></ul>"
    "<noscript><li class='libre'>c</li></noscript><h2>Un  titre</h2><p/></body></html>"
)


@in_turn("selector", ["li.libre", "css=ul > li", "//li[@class='libre']", "xpath=//li", "(//ul)[1]/li"])
def test_css_and_xpath_find_what_can_be_seen(selector: str) -> None:
    assert TypeAdapter(Selector).validate_python(selector) == selector
    assert [each if isinstance(each, str) else each.text for each in find_matches(PAGE, selector)] == [
        "a",
        "b",
    ]


@in_turn(
    "selector, said",
    [
        ("", "at least 1 character"),
        ("li[", "neither CSS nor XPath"),
        ("li:nonsense", "neither CSS nor XPath"),
        ("//li[", "neither CSS nor XPath"),
        ("//li[nonsense()]", "neither CSS nor XPath"),
        ("xpath=count(//li)", "finds a float"),
        ("xpath=//li or //a", "finds a bool"),
    ],
)
def test_what_does_not_compile_or_finds_no_part_of_a_page_is_refused(selector: str, said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        TypeAdapter(Selector).validate_python(selector)


@in_turn(
    "selector, elements",
    [
        ("li.libre::attr(data-le)", "li.libre"),
        ("h2::text, a::attr(href)", "h2, a"),
        ("//li/@class", "//li"),
        ("//li//text()", "//li"),
        ("ul > li", "ul > li"),
        ("//li[@class]", "//li[@class]"),
    ],
)
def test_a_part_belongs_to_its_element(selector: str, elements: str) -> None:
    assert element_selector(selector) == elements


FORM = """
<form id=f method=post action="suite?etape=2"><input type=hidden name=jeton value=k7><input name=nom>
<input type=checkbox name=accord value=1 checked><input type=checkbox name=lettre value=1>
<select name=motif><option value=4>Carte grise</option><option value=7 selected>Visa</option><option>Autre</option></select>
<button name=envoi value=ok>Suivant</button></form><a href="/plus#haut">Plus</a><p id=p>rien</p>
"""


def page(body: str = FORM) -> Page:
    return Page(URL, 200, body.encode(), visit(), PageRequest(URL))


def done(css: str, act: BrowserAction | None = None, body: str = FORM) -> PageRequest | None:
    here = page(body)
    return build_request(here, here.root.xpath(css)[0], act or BrowserAction(), "next")


@in_turn(
    "what, act, body",
    [
        ("//select", BrowserAction(option="Naturalisation"), FORM),
        (
            "//select",
            BrowserAction(option="A"),
            "<form><select name=a><option>A</option><option value=A>B</option></select></form>",
        ),
        ("//p", BrowserAction(), FORM),
        ("//a", BrowserAction(), "<a href='https://ailleurs.example/'>x</a>"),
        ("//a", BrowserAction(), "<a href='javascript:void(0)'>x</a>"),
        ("//a", BrowserAction(), "<a href='http://mairie.example/'>x</a>"),
        ("//form", BrowserAction(), "<form action='//ailleurs.example/x'></form>"),
    ],
)
def test_what_cannot_be_done_or_leaves_the_site_is_none(what: str, act: BrowserAction, body: str) -> None:
    assert done(what, act, body) is None
