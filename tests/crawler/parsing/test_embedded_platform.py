"""A page that no rule understands and that embeds a platform's page: its reason names the embedded address."""

from html import escape

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.block_pages import classify_page
from crawler.parsing.error_pages import find_embedded
from crawler.platforms import example, platform
from crawler.reading import Outcome, Page, PageRequest
from tests.crawler.pages import TODAY
from tests.crawler.recordings import PARIS
from tests.in_turn import in_turn

DOCTOLIB = "https://partners.doctolib.fr/prefecture/lille/guichet?pid=1&embed=true"
OTHERS = st.builds(
    "https://{}.example/{}".format, st.sampled_from(["cdn", "www"]), st.text("abc-/", max_size=9)
)
WAYS = [
    '<iframe src="{}"></iframe>',
    '<iframe data-src="{}" class="lazy"></iframe>',
    '<iframe srcdoc="" data-lazy-src="{}"></iframe>',
    '<div><script src="{}" async></script></div>',
    "<script>open('{}')</script>",
]


def page(body: str) -> Page:
    visit = example(platform("ezbooking"), TODAY, PARIS)
    body = f"<html><title>Rendez-vous</title><body>{body}</body></html>"
    return Page(visit.url, 200, body.encode(), visit, PageRequest(visit.url))


@given(st.lists(st.tuples(st.sampled_from(WAYS), OTHERS), max_size=4), st.sampled_from(WAYS))
def test_the_address_of_a_platform_is_found_among_others(around: list[tuple[str, str]], way: str) -> None:
    others = "".join(each.format(escape(address)) for each, address in around)
    address = DOCTOLIB if "open" in way else escape(DOCTOLIB)
    assert find_embedded(page(others + way.format(address))) == DOCTOLIB
    assert find_embedded(page(others)) is None


def test_slashes_of_a_script_may_be_escaped() -> None:
    written = DOCTOLIB.replace("/", "\\/")
    assert find_embedded(page(f'<script>open("{written}")</script>')) == DOCTOLIB


@pytest.mark.rule("3.2")
def test_such_a_page_is_unreadable_and_its_reason_names_the_address() -> None:
    reading = classify_page(platform("ezbooking"), page(WAYS[0].format(escape(DOCTOLIB))))
    assert (reading.outcome, reading.slots, reading.covered) == (Outcome.UNREADABLE, (), ())
    assert reading.reason == f"embeds {DOCTOLIB}: name that address in the desk file"


@in_turn("address", ["https://[", "https://www.doctolib.fr.evil.example/prefecture/lille/guichet", ""])
def test_no_other_address_is_named(address: str) -> None:
    assert find_embedded(page(WAYS[0].format(address))) is None
