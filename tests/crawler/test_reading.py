"""Pages: their text, their root and their links from raw bytes."""

from dataclasses import replace

import pytest

from tests.crawler import ezbooking_pages as ez
from tests.crawler.pages import page, read


@pytest.mark.parametrize(
    ("charset", "codec"),
    [
        ("latin-1", "cp1252"),
        ("ISO-8859-15", "iso8859-15"),
        ("windows-1252", "cp1252"),
        ("UTF-16", "utf-16-le"),
    ],
)
def test_a_page_is_read_in_the_charset_that_it_names(charset: str, codec: str) -> None:
    body = replace(page(""), body="<p>Créneau</p>".encode(codec))
    assert replace(body, headers={"content-type": f"text/html; charset={charset}"}).text == "<p>Créneau</p>"


@pytest.mark.rule("3.2")
@pytest.mark.parametrize("codec", ["utf-16-be", "utf-16-le"])
def test_two_bytes_a_letter_under_another_name_prove_no_absence(codec: str) -> None:
    answer = read(ez.full().encode(codec), content_type="text/html; charset=koi8-r")
    assert answer.covered == ()


@pytest.mark.parametrize("body", ["<p>a</p></html><p>b</p>", "<html><p>a</p></HTML >\n<html><p>b</p></html>"])
def test_what_stands_behind_the_documents_end_is_read_as_a_browser_does(body: str) -> None:
    assert page(body).root.xpath("//p/text()") == ["a", "b"]
