"""Error pages, and pages that embed a platform's page."""

from html import escape
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from configs.world.outcome import Outcome
from crawler.block_pages import classify_page
from crawler.parsing.error_pages import error_page, find_embedded
from crawler.platforms import example, platform
from crawler.reading import Page, PageRequest
from tests.crawler import ezbooking_pages as ez
from tests.crawler.pages import PARIS, TODAY, page, read
from tests.in_turn import in_turn

TITLE = "<html><head><title>{0}</title></head><body><p>Le service répond plus tard.</p></body></html>"
HEADING = "<html><body><h1>{0}</h1>\nThe proxy says no more.\n</body></html>"
SCRIPT = '<html><head><script src="https://{0}/a.js"></script></head><body><div id="box"></div></body></html>'


def told(body: str, **how: Any) -> Outcome | None:
    reading = error_page(page(body, **how))
    return reading.outcome if reading else None


@in_turn("form", [TITLE, HEADING])
@in_turn(
    "heading, outcome",
    [
        ("403 Forbidden", Outcome.BLOCKED),
        ("Access Denied", Outcome.BLOCKED),
        ("Request Rejected", Outcome.BLOCKED),
        ("Pardon Our Interruption", Outcome.BLOCKED),
        ("429 Too Many Requests", Outcome.RATE_LIMITED),
        ("Trop de requêtes", Outcome.RATE_LIMITED),
        ("Service surchargé", Outcome.OVERLOADED),
        ("Site en maintenance", Outcome.MAINTENANCE),
        ("502 Bad Gateway", Outcome.UNREACHABLE),
        ("Error 503 Backend fetch failed", Outcome.UNREACHABLE),
        ("504 Gateway Time-out", Outcome.UNREACHABLE),
        ("Service Unavailable", Outcome.UNREACHABLE),
        ("État HTTP 500 : Erreur interne du serveur", Outcome.UNREACHABLE),
        ("RDV Exemple | 500 - Une erreur", Outcome.UNREACHABLE),
        ("www.exemple.invalid | 522: Connection timed out", Outcome.UNREACHABLE),
        ("404 Not Found", None),
        ("500 créneaux ouverts", None),
        ("5030 Mairie", None),
        ("Votre demande n'a pas pu aboutir", None),
    ],
)
def test_a_servers_page_is_what_its_heading_says(form: str, heading: str, outcome: Outcome | None) -> None:
    assert told(form.format(heading)) is outcome


@in_turn(
    "host, outcome",
    [
        ("ct.captcha-delivery.com", Outcome.CAPTCHA),
        ("a.eu-west-3.captcha.awswaf.com", Outcome.CAPTCHA),
        ("a.edge.sdk.awswaf.com", Outcome.BLOCKED),
        ("cdn.exemple.invalid", None),
    ],
)
def test_a_script_that_asks_the_browser_stands_before_the_site(host: str, outcome: Outcome | None) -> None:
    assert told(SCRIPT.format(host)) is outcome


def test_a_sites_own_answer_stands_whatever_its_heading() -> None:
    assert read(ez.full().replace("<title>", "<title>503 : ")).outcome is Outcome.NO_SLOTS


# A page that no rule understands and that embeds a platform's page: its reason names the embedded address

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


def embedding(body: str) -> Page:
    visit = example(platform("ezbooking"), TODAY, PARIS)
    body = f"<html><title>Rendez-vous</title><body>{body}</body></html>"
    return Page(visit.url, 200, body.encode(), visit, PageRequest(visit.url))


@given(st.lists(st.tuples(st.sampled_from(WAYS), OTHERS), max_size=4), st.sampled_from(WAYS))
def test_the_address_of_a_platform_is_found_among_others(around: list[tuple[str, str]], way: str) -> None:
    others = "".join(each.format(escape(address)) for each, address in around)
    address = DOCTOLIB if "open" in way else escape(DOCTOLIB)
    assert find_embedded(embedding(others + way.format(address))) == DOCTOLIB
    assert find_embedded(embedding(others)) is None


def test_slashes_of_a_script_may_be_escaped() -> None:
    written = DOCTOLIB.replace("/", "\\/")
    assert find_embedded(embedding(f'<script>open("{written}")</script>')) == DOCTOLIB


@pytest.mark.rule("3.2")
def test_such_a_page_is_unreadable_and_its_reason_names_the_address() -> None:
    reading = classify_page(platform("ezbooking"), embedding(WAYS[0].format(escape(DOCTOLIB))))
    assert (reading.outcome, reading.slots, reading.covered) == (Outcome.UNREADABLE, (), ())
    assert reading.reason == f"embeds {DOCTOLIB}: name that address in the desk file"


@in_turn("address", ["https://[", "https://www.doctolib.fr.evil.example/prefecture/lille/guichet", ""])
def test_no_other_address_is_named(address: str) -> None:
    assert find_embedded(embedding(WAYS[0].format(address))) is None
