import pytest
from lxml import html
from pydantic import TypeAdapter, ValidationError

from crawler.parsing.selecting import Selector, found, one_text

PAGE = html.document_fromstring(
    "<html><body><ul><li class='libre' data-le='2026-11-23'>a</li><li class='libre'>b</li></ul>"
    "<noscript><li class='libre'>c</li></noscript><h2>Un  titre</h2><p/></body></html>"
)


@pytest.mark.parametrize(
    "selector", ["li.libre", "css=ul > li", "//li[@class='libre']", "xpath=//li", "(//ul)[1]/li"]
)
def test_css_and_xpath_find_what_can_be_seen(selector: str) -> None:
    assert TypeAdapter(Selector).validate_python(selector) == selector
    assert [each if isinstance(each, str) else each.text for each in found(PAGE, selector)] == ["a", "b"]


def test_from_an_element_on_its_own_parts_are_found_and_what_stands_before() -> None:
    (first, _) = found(PAGE, "li.libre")
    assert not isinstance(first, str)
    assert one_text(first, ".") == "a"
    assert found(first, "./@data-le") == ["2026-11-23"]
    assert one_text(first, "../following-sibling::h2") == "Un titre"
    assert found(first, "xpath=string(@data-le)") == ["2026-11-23"]


def test_several_texts_are_no_text() -> None:
    assert one_text(PAGE, "li") is None
    assert one_text(PAGE, "h3") is None
    assert one_text(PAGE, "h2, p") == "Un titre"


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
