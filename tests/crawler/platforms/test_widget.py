"""A page that embeds a calendar: whatever stands around it, each address that is embedded is named, in order."""

from html import escape

from hypothesis import given
from hypothesis import strategies as st

from crawler.block_pages import classify_page
from crawler.platforms import example, platform
from crawler.reading import Page, PageRequest
from tests.crawler.pages import TODAY
from tests.crawler.recordings import PARIS

WIDGET = platform("widget")
addresses = st.builds(
    "https://{}.example/{}?a=1&b={}".format,
    st.sampled_from(["www.doctolib", "rdv", "agenda-2"]),
    st.text("abcdefghij-/", max_size=12),
    st.integers(0, 99),
)
ways = st.sampled_from(
    [
        '<iframe src="{}"></iframe>',
        '<iframe data-src="{}" class="lazy"></iframe>',
        '<iframe srcdoc="" data-lazy-src="{}"></iframe>',
        '<div><script src="{}" async></script></div>',
    ]
)
around = st.sampled_from(
    [
        "<p>Prendre rendez-vous</p>",
        '<a href="https://elsewhere.example/">lien</a>',
        "<!-- <iframe src='x'> -->",
    ]
)


def page(body: str) -> Page:
    visit = example(WIDGET, TODAY, PARIS)
    return Page(
        visit.url, 200, f"<html><body>{body}</body></html>".encode(), visit, PageRequest(visit.url, "page")
    )


@given(st.lists(st.tuples(ways, addresses, around), max_size=12))
def test_what_a_page_embeds_is_what_is_named(embedded: list[tuple[str, str, str]]) -> None:
    body = "".join(way.format(escape(address)) + more for way, address, more in embedded)
    reading = classify_page(WIDGET, page(body))
    assert reading.frames == tuple(dict.fromkeys(address for _, address, _ in embedded))
    assert (reading.outcome is None) == bool(embedded)


@given(st.lists(addresses, min_size=1, max_size=5, unique=True), st.booleans())
def test_an_address_inside_a_script_is_named_however_its_slashes_are_written(
    written: list[str], escaped: bool
) -> None:
    text = ";".join(f'open("{address}")' for address in written)
    body = f"<script>{text.replace('/', chr(92) + '/') if escaped else text}</script>"
    assert classify_page(WIDGET, page(body)).frames == tuple(written)
