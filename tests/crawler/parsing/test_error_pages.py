"""Error pages, whatever their status."""

from typing import Any

from configs.world.desk import Outcome
from crawler.parsing.error_pages import error_page
from tests.crawler import ezbooking_pages as ez
from tests.crawler.pages import page, read
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
