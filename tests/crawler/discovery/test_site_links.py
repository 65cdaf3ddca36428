"""Links of a page of a prefecture's site: booking pages, pages worth a visit, traps."""

import pytest

from crawler.discovery.site_links import Link, at_home, links, promise, says_booking, shape, worth_walking
from crawler.platform_detection.identify import page_of

HOME = "https://www.essonne.gouv.fr"


def found(body: str, url: str = f"{HOME}/Demarches/") -> dict[str, str]:
    return {link.url: link.text for link in links(page_of(url, body.encode()))}


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


def test_relative_links_stand_for_what_the_pages_base_says() -> None:
    assert list(found('<base href="/fr/"><a href="rdv">x</a>')) == [f"{HOME}/fr/rdv"]


@pytest.mark.parametrize(
    "text",
    [
        "Prendre rendez-vous", "RENDEZ\u2011VOUS en ligne".replace("\u2011", "-"), "prise de rendez vous", "Prendre un RDV",
        "Réserver un créneau", "Réserver en ligne",
    ],
)  # fmt: skip
def test_words_that_promise_booking(text: str) -> None:
    assert says_booking(text)


@pytest.mark.parametrize("text", ["Horaires", "Nous écrire", "Les rendus vous parviennent", ""])
def test_words_that_do_not(text: str) -> None:
    assert not says_booking(text)


@pytest.mark.parametrize(
    ("url", "own"),
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


@pytest.mark.parametrize(
    "path",
    [
        "/Agenda/2026/11", "/evenements?calendrier=2026-11", "/recherche?q=x", "/actes/recueil.PDF", "/imprimer/12",
        "/a/b/a/b/a", "/x" * 13, "/" + "x" * 300, "/liste?a=1&b=2&c=3", "/connexion",
    ],
)  # fmt: skip
def test_traps_and_files_are_not_walked(path: str) -> None:
    assert not worth_walking(HOME + path)


@pytest.mark.parametrize(
    "path", ["/", "/Demarches/Etrangers", "/Actualites/page-2", "/liste?page=2", "/a.html"]
)
def test_pages_are(path: str) -> None:
    assert worth_walking(HOME + path)


def test_what_a_machine_numbers_has_one_shape() -> None:
    assert shape(f"{HOME}/Actualites/page-17?debut=40") == shape(f"{HOME}/Actualites/page-2?debut=0")
    assert shape(f"{HOME}/Actualites/page-17") != shape(f"{HOME}/Agenda/page-17")


def test_where_booking_is_spoken_of_comes_first() -> None:
    order = ["/Actualites", "/Demarches/Etrangers", "/Prendre-rendez-vous-titre-de-sejour"]
    assert sorted(order, key=lambda path: promise(Link(HOME + path, ""))) == order
    assert promise(Link(f"{HOME}/12", "Rendez-vous")) > promise(Link(f"{HOME}/12", "Contact"))
