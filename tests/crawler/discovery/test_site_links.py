"""Links of a page of a prefecture's site: booking pages, pages worth a visit, traps."""

from crawler.discovery.site_links import at_home, worth_walking
from crawler.platform_detection.booking_links import BOOKING, find_links
from crawler.platform_detection.identify import page_of
from tests.in_turn import in_turn

HOME = "https://www.essonne.gouv.fr"


def found(body: str, url: str = f"{HOME}/Demarches/") -> dict[str, str]:
    return {link.url: link.text for link in find_links(page_of(url, body.encode()))}


def test_links_are_absolute_once_each_and_have_their_words() -> None:
    body = """<a href="../Etrangers#haut">Étrangers
      en France</a><a href="/Etrangers"></a><a href="Visa"><img alt="Visas"></a><a href="/x" title="Titre"></a>
      <iframe src="https://www.doctolib.fr/iframe"></iframe><a href="mailto:a@example.org">Écrire</a>
      <a href="javascript:void(0)">x</a><a href="http://[">kaputt</a><a href="tel:17">17</a>"""
    assert found(body) == {
        f"{HOME}/Etrangers": "Étrangers en France",
        f"{HOME}/Demarches/Visa": "Visas",
        f"{HOME}/x": "Titre",
        "https://www.doctolib.fr/iframe": "",
    }


@in_turn(
    "text",
    [
        "Prendre rendez-vous", "RENDEZ\u2011VOUS en ligne".replace("\u2011", "-"), "prise de rendez vous", "Prendre un RDV",
        "Réserver un créneau", "Réserver en ligne",
    ],
)  # fmt: skip
def test_words_that_promise_booking(text: str) -> None:
    assert BOOKING.search(text)


@in_turn(
    "url, own",
    [
        ("http://essonne.gouv.fr/a?b=1#c", f"{HOME}/a?b=1"),
        ("https://www.essonne.gouv.fr:443/a", f"{HOME}/a"),
        ("https://www.essonne.gouv.fr:8443/a", None),
        ("https://essonne.gouv.fr.evil.example/a", None),
        ("https://pprdv.interieur.gouv.fr/", None),
        ("ftp://www.essonne.gouv.fr/a", None),
    ],
)
def test_an_address_of_the_site_is_written_as_the_site_does(url: str, own: str | None) -> None:
    assert at_home(url, HOME) == own


@in_turn(
    "path",
    [
        "/Agenda/2026/11", "/evenements?calendrier=2026-11", "/recherche?q=x", "/actes/recueil.PDF", "/imprimer/12",
        "/a/b/a/b/a", "/x" * 13, "/" + "x" * 300, "/liste?a=1&b=2&c=3", "/connexion",
    ],
)  # fmt: skip
def test_traps_and_files_are_not_walked(path: str) -> None:
    assert not worth_walking(HOME + path)
