import re
from pathlib import Path
from typing import Any

import pytest

from configs.world.outcome import Outcome
from crawler.parsing.error_pages import Notice, error_message, error_page, find_notice, read_error_status
from crawler.reading import Reading
from tests.crawler import ezbooking_pages as ez
from tests.crawler.golden import CASES, load, name_of
from tests.crawler.pages import page, read

TITLE = "<html><head><title>{0}</title></head><body><p>Le service répond plus tard.</p></body></html>"
HEADING = "<html><body><h1>{0}</h1>\nThe proxy says no more.\n</body></html>"
SCRIPT = '<html><head><script src="https://{0}/a.js"></script></head><body><div id="box"></div></body></html>'


def told(body: str, **how: Any) -> Outcome | None:
    reading = error_page(page(body, **how))
    return reading.outcome if reading else None


@pytest.mark.parametrize("form", [TITLE, HEADING])
@pytest.mark.parametrize(
    ("heading", "outcome"),
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


@pytest.mark.parametrize(
    ("host", "outcome"),
    [
        ("ct.captcha-delivery.com", Outcome.CAPTCHA),
        ("a.eu-west-3.captcha.awswaf.com", Outcome.CAPTCHA),
        ("a.edge.sdk.awswaf.com", Outcome.BLOCKED),
        ("cdn.exemple.invalid", None),
    ],
)
def test_a_script_that_asks_the_browser_stands_before_the_site(host: str, outcome: Outcome | None) -> None:
    assert told(SCRIPT.format(host)) is outcome


@pytest.mark.parametrize("case", [case for case in CASES if "/slots" in name_of(case)], ids=name_of)
def test_no_page_with_slots_is_an_error(case: Path) -> None:
    assert error_page(load(case)) is None


def test_a_sites_own_answer_stands_whatever_its_heading() -> None:
    assert read(ez.full().replace("<title>", "<title>503 : ")).outcome is Outcome.NO_SLOTS


NOTICES = (
    Notice(Outcome.OVERLOADED, re.compile("(?i)too busy"), "//h1"),
    Notice(Outcome.CLOSED, re.compile("gone for good"), "/*", said="gone for good"),
)
HINTS = (b"busy", b"gone")


@pytest.mark.parametrize(
    ("body", "reading"),
    [
        ("<h1>TOO <b>busy</b></h1><p>Later.</p>", Reading(Outcome.OVERLOADED, "TOO busy Later.")),
        ("<p>This is gone\n for good.</p>", Reading(Outcome.CLOSED, "gone for good")),
        ("<h1>Too busy</h1><p>gone for good</p>", Reading(Outcome.OVERLOADED, "Too busy gone for good")),
        (f"<h1>Too busy</h1>{'x' * 300}", Reading(Outcome.OVERLOADED, f"Too busy {'x' * 191}")),
        ("<p>too busy</p>", None),
        ("<script>gone for good</script>", None),
        ("<h1>Welcome</h1>", None),
    ],
)
def test_the_first_sentence_that_a_page_shows_in_its_place_is_what_it_means(
    body: str, reading: Reading | None
) -> None:
    assert find_notice(page(f"<html><body>{body}</body></html>"), NOTICES, HINTS) == reading


@pytest.mark.parametrize("status", [404, 410])
def test_a_desk_whose_own_address_is_gone_is_closed(status: int) -> None:
    assert read_error_status(page("x", status=status), entry=True) == Reading(
        Outcome.CLOSED, f"HTTP {status}"
    )
    said = read_error_status(page("x", status=status), entry=True, gone="there is no such procedure")
    assert said == Reading(Outcome.CLOSED, f"HTTP {status}: there is no such procedure")


@pytest.mark.parametrize(
    ("status", "entry"), [(404, False), (410, False), (400, True), (403, True), (503, True)]
)
def test_any_other_error_proves_nothing(*, status: int, entry: bool) -> None:
    said = read_error_status(page("Aucun créneau", status=status), entry=entry, gone="never said")
    assert said is not None
    assert said.silent


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ('{"detail": "no such place"}', "no such place"),
        ('{"detail": null, "details": "no such radius"}', "no such radius"),
        ('{"detail": [{"loc": ["query"]}]}', "[{'loc': ['query']}]"),
        (f'{{"detail": "{"x" * 300}"}}', "x" * 200),
        ('{"error": "never"}', ""),
        ("[]", ""),
        ("<html>", ""),
    ],
)
def test_what_a_server_says_of_its_error_stands_under_a_known_key(body: str, said: str) -> None:
    assert error_message(page(body, status=404), "detail", "details") == said
