import pytest
from lxml import html
from pydantic import TypeAdapter, ValidationError

from crawler.parsing.css_selectors import Selector, element_selector, find_matches

PAGE = html.document_fromstring(
    "<html><body><ul><li class='libre' data-le='2026-11-23'>a</li><li class='libre'>b</li></ul>"
    "<noscript><li class='libre'>c</li></noscript><h2>Un  titre</h2><p/></body></html>"
)


@pytest.mark.parametrize(
    "selector", ["li.libre", "css=ul > li", "//li[@class='libre']", "xpath=//li", "(//ul)[1]/li"]
)
def test_css_and_xpath_find_what_can_be_seen(selector: str) -> None:
    assert TypeAdapter(Selector).validate_python(selector) == selector
    assert [each if isinstance(each, str) else each.text for each in find_matches(PAGE, selector)] == [
        "a",
        "b",
    ]


@pytest.mark.parametrize(
    ("selector", "said"),
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


@pytest.mark.parametrize(
    ("selector", "elements"),
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
