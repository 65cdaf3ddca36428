"""The words of platforms: what a page makes of its own bytes."""

import pytest

from configs.outcome import Outcome
from tests.crawler import ezbooking_pages as ez
from tests.crawler.pages import page, read


@pytest.mark.parametrize("charset", ["hex", "base64", "rot13", "idna", "undefined", "punycode", "klingon-1"])
def test_what_python_calls_a_codec_and_no_page_is_written_in_breaks_no_text(charset: str) -> None:
    assert page("<p>Créneau</p>", content_type=f"text/html; charset={charset}").text == "<p>Créneau</p>"
    assert read(ez.full(), content_type=f"text/html; charset={charset}").outcome is Outcome.NO_SLOTS


@pytest.mark.parametrize("body", ["<p>a</p></html><p>b</p>", "<html><p>a</p></HTML >\n<html><p>b</p></html>"])
def test_what_stands_behind_the_documents_end_is_read_as_a_browser_does(body: str) -> None:
    assert page(body).root.xpath("//p/text()") == ["a", "b"]


def test_what_a_template_holds_is_not_on_the_page() -> None:
    assert page("<p>a<template><b>b</b></template>c</p>").root.text_content() == "ac"
