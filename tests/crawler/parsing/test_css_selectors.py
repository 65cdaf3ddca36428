import pytest
from lxml import html
from pydantic import TypeAdapter, ValidationError

from crawler.parsing.css_selectors import Selector, element_selector, find_matches
from crawler.parsing.forms import build_request
from crawler.reading import BrowserAction, Page, PageRequest, VisitContext
from tests.crawler.pages import TODAY
from tests.in_turn import in_turn

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


URL = "https://mairie.example/rdv/page?x=1"
FORM = """
<form id=f method=post action="suite?etape=2"><input type=hidden name=jeton value=k7><input name=nom>
<input type=checkbox name=accord value=1 checked><input type=checkbox name=lettre value=1>
<select name=motif><option value=4>Carte grise</option><option value=7 selected>Visa</option><option>Autre</option></select>
<button name=envoi value=ok>Suivant</button></form><a href="/plus#haut">Plus</a><p id=p>rien</p>
"""


def page(body: str = FORM) -> Page:
    return Page(URL, 200, body.encode(), VisitContext(URL, TODAY), PageRequest(URL))


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
