"""No reader's time grows faster than its page, whatever the page repeats: a check would hold up all others."""

import gzip
import logging
from collections.abc import Iterator
from dataclasses import replace

import pytest

from crawler.fetching.decompression import Broken, unpack
from crawler.parsing.html_text import rendered_text
from crawler.parsing.no_slot_phrases import says_none
from crawler.platform_detection.booking_links import find_leads, find_links
from crawler.platform_detection.identify import identify_page
from crawler.platforms import platforms
from crawler.platforms.esirius import reply
from crawler.reading import Page
from tests.crawler.golden import CASES, load
from tests.crawler.hostile import Make, Read, growth, hostile, is_steep, reading
from tests.crawler.pages import page
from tests.fuzz import FUZZ

SIZE = 1_000_000  # bytes, and twice as many: what a page may have at most (DOWNLOAD_MAXSIZE)
PAGES = 1 if FUZZ == 1 else 200  # of each reader
NAMES = sorted(platforms())


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    logging.disable()
    yield
    logging.disable(logging.NOTSET)


def found(page: Page) -> object:
    """Look at a page as `scrapy detect` and the discovery do."""
    return identify_page(page), find_leads(page), find_links(page)


def hold(read: Read, make: Make, what: str, size: int = SIZE) -> None:
    one, two = growth(read, make, size)
    assert not is_steep(one, two), f"{what}: {one:.2f} s for {size} bytes, {two:.2f} s for twice as many"


@pytest.mark.rule("4.13")
@pytest.mark.fuzz
@pytest.mark.parametrize("name", NAMES)
def test_no_reader_grows_faster_than_its_page(name: str) -> None:
    for seed in range(PAGES):
        hold(reading(name), hostile(name, seed), f"{name}, page {seed}")


def test_no_look_at_an_unknown_page_grows_faster_than_it() -> None:
    for seed in range(PAGES):
        hold(found, hostile("selectors", seed), f"detecting, page {seed}")


BLANK = "throw 'allowScriptTagRemoting is false.';\n//#DWR-INSERT\n//#DWR-REPLY\n"
REPEATED = {
    "blank lines of a DWR frame": (
        lambda body: reply(body.text),
        f"{BLANK}{{}}dwr.engine._remoteHandleCallback(",
        "\n",
    ),
    "a message": (lambda body: says_none(body.text), "{}", "Le planning des agents "),
    "siblings in a part of a page": (
        lambda body: rendered_text(body.root.find("body")),
        "<p>a</p>{}",
        "<b>a</b>",
    ),
    "a sentence for none": (
        reading("selectors"),
        "<html><body><p>{}</p></body></html>",
        "Aucun rendez-vous n'est disponible le matin. ",
    ),
    "a charset": (lambda body: body.text, "<html><meta charset=punycode>-{}", "99"),
}


@pytest.mark.rule("4.13")
@pytest.mark.parametrize("which", sorted(REPEATED))
def test_what_was_quadratic_is_not(which: str) -> None:
    read, around, piece = REPEATED[which]
    hold(read, lambda size: page(around.format(piece * (size // len(piece)))), which)


TWO_KINDS = {
    "titles and headings": ("ezbooking", "<title></title><h1></h1>"),
    "headings of cards": ("rdv_service_public", "<h3>a</h3><h4>b</h4>"),
    "regrets": ("rdv_service_public", "<p>Malheureusement"),
    "steps": ("ezbooking", "<img src=etape_3r.png>"),
    "what is embedded": ("doctolib", "<iframe src=a></iframe><script src=b></script>"),
    "links": ("", "<a href=a>a</a><area href=b><iframe src=c></iframe>"),
    "forms": ("", "<form action=a><input></form><meta property=og:url content=b>"),
}


@pytest.mark.parametrize("which", sorted(TWO_KINDS))
def test_elements_that_are_looked_for_together_are_not_compared_with_each_other(which: str) -> None:
    name, piece = TWO_KINDS[which]
    whole = load(next(case for case in CASES if case.parent.name == (name or "selectors")))

    def make(size: int) -> Page:
        body = f"<html><body><p>Prochaine disponibilité le{piece * (size // len(piece))}"
        return replace(whole, status=200, body=body.encode())

    hold(reading(name) if name else found, make, which, SIZE // 4)


@pytest.mark.rule("4.13")
def test_a_gzip_of_a_hundred_thousand_members_is_given_up() -> None:
    packed = gzip.compress(b"") * 100_000
    with pytest.raises(Broken):
        unpack(packed, ["gzip"], 2_000_000)
    body = replace(page(""), body=packed)

    def undo(here: Page) -> None:
        with pytest.raises(Broken):
            unpack(here.body, ["gzip"], 2_000_000)

    hold(undo, lambda size: replace(body, body=packed[: size // 20 * 20]), "gzip")
