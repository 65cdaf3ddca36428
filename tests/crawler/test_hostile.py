"""No reader's time grows faster than its page, whatever the page repeats: a check would hold up all others."""

import gc
import gzip
import json
import logging
import random
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from crawler.classification import classify_page
from crawler.discovery.identify import identify_page
from crawler.discovery.links import find_links
from crawler.fetching.download_handler import unpack
from crawler.fetching.errors import Broken
from crawler.parsing.charset import is_damaged
from crawler.parsing.dwr import read_reply
from crawler.parsing.html_text import rendered_text
from crawler.parsing.no_slot_phrases import says_none
from crawler.platforms import platform, platforms
from crawler.reading import Page
from tests.crawler.golden import CASES, load
from tests.crawler.pages import page
from tests.fuzz import FUZZ
from tests.samples import try_first

Make = Callable[[int], Page]  # a page of about so many bytes
Read = Callable[[Page], object]

_NUMBERED = "{i}"  # in a piece: its number
_PIECES = (
    *("\n", " ", "\u00a0", "a", "é", "9", "'", '"', "\\", "\\'", "|", "&amp;", "[", "{", "(", "<", "</html>", "<!--"),
    *("aucun créneau ", "planning ", "tous les créneaux ", "plus de ", "prochaine ", "complet ", "n'a pu "),
    *("du 1 au ", "lundi 1 ", "1er janvier ", "23/11/2026 ", "2026-11-23T", "9h30 - ", "11:", "le 2{i} à 9h "),
    *("Prochaine disponibilité le ", "Prochaine mise en ligne de nouveaux rendez-vous ", 'message: "', "throw '"),
    *("//#DWR-REPLY\n", "dwr.engine._remoteHandleCallback(", "var s{i}=[];", "trhId", "captcha ", "cloudflare "),
    *("<b>", "<div>", "<div hidden>", "<p><strong>1er janvier</strong></p>", "<h1>429</h1>", "<h4>a</h4>", "<form method=post>"),
    *("<label for={i}>a</label>", "<input type=checkbox name=selectedMotiveKeyList value={i}>", "<option>{i}</option>"),
    *("<input type=radio name=planning id=planning{i} value={i}>", "<a href='x?starts_at=2026-11-23T09%3A{i}'>9h</a>"),
    *("<a href='/booking/create/9845/5/1795{i}'>libre</a>", "<div id='creneaux-lieu-{i}'><p><strong>1</strong></p></div>"),
    *("<tr><td>libre</td></tr>", "<td>1</td>", "<iframe src='https://captcha/{i}'></iframe>", "<script>https://a.fr/{i}</script>"),
    *("<a href='/prendre_rdv?lieu_id={i}&date=2026-11-23'>Prochaine disponibilité le 23/11/2026</a>", "<li class=libre><a>9h</a></li>"),
    *("<div class='g-recaptcha'></div>", "<ul class=error><li>a</li></ul>", "<template>a", "<title>a</title>"),
)  # fmt: skip
_CHARSETS = ("", "", "", "punycode", "utf-7", "utf-16", "hex", "gb18030", "iso2022_jp", "unicode_escape")
_SLOW = 0.25  # seconds of CPU: what is done sooner grows with whatever else the machine does


def hostile(name: str, seed: int) -> Make:
    """Return a page of a platform in all sizes."""
    cases = [case for case in CASES if case.parent.name == name]
    page = load(random.Random(seed).choice(cases))
    charset = random.Random(seed).choice(_CHARSETS)
    headers = {**page.headers, "content-type": f"text/html; charset={charset}"} if charset else page.headers
    asked = replace(page, status=200, headers=headers)

    def make(size: int) -> Page:
        return replace(asked, body=_body(page, random.Random(seed), size).encode("utf-8", "replace"))

    return make


def reading(name: str) -> Read:
    """Return what reads the pages of a platform, as a crawl does."""
    return lambda page: classify_page(platform(name), page)


def growth(read: Read, make: Make, size: int) -> tuple[float, float]:
    """Return the CPU seconds that a page of so many bytes takes, and one of twice as many: the best of ten each.

    A page that is read in time at once is not measured again, and one of half its size not at all. Ten, because a
    neighbour on the same machine can slow several measurements in a row by half.
    """
    two = make(2 * size)
    read(replace(make(size // 10)))
    best = (0.0, seconds(read, two))
    if not is_steep(*best):
        return best
    one = make(size)
    best = (seconds(read, one), best[1])
    for _ in range(9):
        if not is_steep(*best):
            break
        best = min(best[0], seconds(read, one)), min(best[1], seconds(read, two))
    return best


def is_steep(one: float, two: float) -> bool:
    """Tell whether a page of twice the size takes more than three times as long, where that is long at all."""
    return two > _SLOW and two > 3 * one


def seconds(read: Read, page: Page) -> float:
    """Return the CPU seconds that a page takes which has just come, without Python's garbage collector: it may stop
    anywhere, for as long as all that lives takes.
    """
    fresh = replace(page)
    gc.disable()
    began = time.process_time()
    try:
        read(fresh)
        return time.process_time() - began
    finally:
        gc.enable()


def _body(page: Page, chance: random.Random, size: int) -> str:
    text, piece = page.text, chance.choice(_PIECES)
    if not page.is_html and (found := _documents(text)):
        return _json(found, piece, chance, size)
    filler = _repeated(piece, size)
    ends = [match.end() for match in re.finditer(r">|\n|;" if page.is_html else r"\n|'|\(|,|;", text)] or [0]
    at = chance.choice(ends) if chance.random() < 0.8 else chance.randrange(len(text) + 1)
    return text[:at] + filler + text[at:]


def _repeated(piece: str, size: int) -> str:
    """Return a piece an even number of times: an odd one may leave a quote open, which ends it."""
    if _NUMBERED not in piece:
        return piece * (size // len(piece) // 2 * 2)
    return "".join(
        piece.replace(_NUMBERED, f"{10_000 + i}") for i in range(size // (len(piece) + 2) // 2 * 2)
    )


def _documents(text: str) -> list[Any]:
    try:
        return [json.loads(line) for line in ([text] if text.lstrip()[:1] in "{[" else text.splitlines())]
    except ValueError:
        return []


def _json(documents: list[Any], piece: str, chance: random.Random, size: int) -> str:
    """Let one value of a document be long, or many: a text, a number, a list of the same, an object of many keys."""
    nodes = [node for node in _nodes(documents) if node]
    node, way = chance.choice(nodes), chance.randrange(4)
    key = chance.choice(list(node) if isinstance(node, dict) else range(len(node)))
    if way == 0:
        node[key] = _repeated(piece, size)
    elif way == 1 and isinstance(node, dict):
        kept = json.dumps(node[key])
        node.update({f"{key}{i}": json.loads(kept) for i in range(size // (len(kept) + len(str(key)) + 10))})
    elif way == 2:
        node[key] = [node[key]] * (size // (len(json.dumps(node[key])) + 2))
    else:
        many = next((each for each in nodes if isinstance(each, list)), documents)
        many += [many[0]] * (size // (len(json.dumps(many[0])) + 2))
    texts = [json.dumps(each, ensure_ascii=False) for each in documents]
    return "\n".join(texts) + (_repeated(piece, size) if len("".join(texts)) < size // 2 else "")


def _nodes(document: Any) -> list[Any]:
    inner = list(document.values()) if isinstance(document, dict) else document
    if not isinstance(document, dict | list):
        return []
    return [document, *(node for each in inner for node in _nodes(each))]


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
    return identify_page(page), find_links(page)


def hold(read: Read, make: Make, what: str, size: int = SIZE) -> None:
    one, two = growth(read, make, size)
    assert not is_steep(one, two), f"{what}: {one:.2f} s for {size} bytes, {two:.2f} s for twice as many"


@pytest.mark.rule("4.13")
@pytest.mark.fuzz
@pytest.mark.parametrize("name", try_first(NAMES, 6))
def test_no_reader_grows_faster_than_its_page(name: str) -> None:
    for seed in range(PAGES):
        hold(reading(name), hostile(name, seed), f"{name}, page {seed}")


@pytest.mark.journey
def test_no_look_at_an_unknown_page_grows_faster_than_it() -> None:
    for seed in range(PAGES):
        hold(found, hostile("selectors", seed), f"detecting, page {seed}")


def refuse_reply(page: Page) -> None:
    with pytest.raises(ValueError, match="ends in the middle"):
        read_reply(page.text)


BLANK = "throw 'allowScriptTagRemoting is false.';\n//#DWR-INSERT\n//#DWR-REPLY\n"
REPEATED = {
    "blank lines of a DWR frame": (
        refuse_reply,
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
    "days and hours that have passed": (
        reading("selectors"),
        "<html><body><p>Aucun rendez-vous n'est disponible.</p>{}</body></html>",
        "9h 10 le 2/11/2026 ou 9-12h <br>",
    ),
    "days in one line": (
        reading("selectors"),
        "<html><body><p>Aucun rendez-vous n'est disponible.</p>{}</body></html>",
        "2/11/2026 au 3 et ",
    ),
    "headings above a sentence for none": (
        reading("selectors"),
        "<html><body>{}<p>Aucun rendez-vous n'est disponible.</p></body></html>",
        "<h2>a</h2><h3>b</h3>",
    ),
    "headings above a link without words": (
        found,
        "<html><body>{}<a href=a>ici</a></body></html>",
        "<h2>a</h2>",
    ),
    "captchas in a form for something else": (
        reading("ezbooking"),
        "<html><form action=a>{}<input type=email></form></html>",
        "<i class=g-recaptcha></i>",
    ),
    "letters in UTF-7 without an end": (lambda body: is_damaged(body.text), "{}", "+AO"),
    "questions without a blank": (lambda body: is_damaged(body.text), "{}=", ",a?b"),
    "a charset": (lambda body: body.text, "<html><meta charset=punycode>-{}", "99"),
}


@pytest.mark.rule("4.13")
@pytest.mark.parametrize("which", try_first(sorted(REPEATED), 5))
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


@pytest.mark.parametrize("which", try_first(sorted(TWO_KINDS), 3))
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
        unpack(packed, "gzip", 2_000_000)
    body = replace(page(""), body=packed)

    def undo(here: Page) -> None:
        with pytest.raises(Broken):
            unpack(here.body, "gzip", 2_000_000)

    hold(undo, lambda size: replace(body, body=packed[: size // 20 * 20]), "gzip")
