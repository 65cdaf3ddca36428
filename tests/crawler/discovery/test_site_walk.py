"""The walk of one site: order, limits, and when it is left alone; requests as JSON."""

from collections.abc import Callable
from typing import Any

import pytest

from configs.world.desk import Outcome
from configs.world.prefecture import Prefecture
from crawler.discovery.booking_links import Listed
from crawler.discovery.identify import page_of
from crawler.discovery.links import BOOKING, find_links, resolve_on_site, worth_walking
from crawler.discovery.observations import ObservedPage, Onward, PageSeen, observe
from crawler.discovery.site_walk import ENOUGH, LONGEST_PAUSE, SiteWalk, bounded_pause
from tests.in_turn import in_turn

HOME = "http://127.77.5.1:8800"
PLACE = Prefecture(
    id="evry_91", name="Essonne", department="91", region="Île-de-France", chef_lieu="Évry",
    site=HOME, latitude=48.633, longitude=2.441, time_zone="Europe/Paris", tier=1, desks=(),
)  # fmt: skip


@pytest.fixture
def site(settings_env: Callable[..., None]) -> SiteWalk:
    settings_env(DISCOVERY_DELAY_SECONDS="10", DISCOVERY_PAGES="4")
    return SiteWalk(PLACE)


def page(path: str, promise: int = 0, steps: int = 1) -> Onward:
    return Onward(f"{HOME}/{path}", promise, steps)


def result(url: str, *onward: Onward, seen: ObservedPage = ObservedPage.READ, **more: Any) -> PageSeen:
    return PageSeen(PLACE.id, url, seen, onward=onward, **more)


def walk(site: SiteWalk, **more: Any) -> list[str]:
    """Walk a site to its end; return the paths in their order."""
    asked = []
    while found := site.take():
        asked.append(found.url.removeprefix(f"{HOME}/"))
        site.record(result(found.url, **more))
    return asked


def test_the_best_comes_first(site: SiteWalk) -> None:
    site.add([page("low", 1), page("far", 20, steps=3), page("high", 50)])
    first = site.take()
    assert first is not None
    assert (first.url, site.is_cut) == (f"{HOME}/high", True)
    site.record(result(first.url))
    assert (walk(site), site.is_cut) == (["far", "low"], False)


def test_a_site_is_cut_where_pages_wait_after_the_last_that_may_be_asked(site: SiteWalk) -> None:
    site.add(page("x" * number) for number in range(1, 6))
    assert (len(walk(site)), site.is_cut) == (4, True)


def test_a_page_is_asked_once_and_not_too_far_from_home(site: SiteWalk) -> None:
    assert len(site.add([page("a"), page("a", 9), page("b", steps=4), page("c", steps=5)])) == 2
    assert walk(site) == ["a", "b"]
    assert site.add([page("a")]) == ()


def test_a_refusal_ends_the_walk_of_a_site(site: SiteWalk) -> None:
    site.add([page("a"), page("b")])
    assert (walk(site, refusal=Outcome.BLOCKED), site.is_cut) == (["a"], True)


def test_so_do_some_pages_in_a_row_that_did_not_come(
    site: SiteWalk, settings_env: Callable[..., None]
) -> None:
    settings_env(DISCOVERY_PAGES="100")
    site.add(page("x" * number) for number in range(1, 20))
    assert (len(walk(site, seen=ObservedPage.DOUBT)), site.is_cut) == (ENOUGH, True)


def test_a_site_of_which_no_page_might_be_asked_was_not_walked(site: SiteWalk) -> None:
    site.add([page("a")])
    assert (walk(site, seen=ObservedPage.DOUBT, asked=False), site.is_cut) == (["a"], True)


def test_pages_that_differ_in_numbers_only_do_not_take_the_whole_walk(
    site: SiteWalk, settings_env: Callable[..., None]
) -> None:
    settings_env(DISCOVERY_PAGES="100")
    site.add([*(page(f"jour-{day}", 50) for day in range(200)), page("visas")])
    asked = walk(site)
    assert (len(asked), asked.index("visas"), site.is_cut) == (100, 30, True)


def observed(url: str, body: str = "", status: int = 200, **headers: str) -> PageSeen:
    return observe(page_of(url, body.encode(), status, headers), PLACE.id, 0, Listed.of([]))


def test_a_redirect_within_the_site_keeps_its_scheme_but_from_an_address_to_itself() -> None:
    https = HOME.replace("http:", "https:")
    leads = {
        (f"{https}/a", f"{HOME}/a/"): f"{https}/a/",
        (f"{HOME}/a", f"{https}/a"): f"{https}/a",
    }
    for (asked, location), next_one in leads.items():
        (onward,) = observed(asked, status=301, location=location).onward
        assert onward.url == next_one


def test_links_in_both_schemes_count_once(settings_env: Callable[..., None]) -> None:
    settings_env(DISCOVERY_PAGES="4")
    twice = "".join(
        f"<a href='{scheme}://127.77.5.1:8800/{path}'>Titre</a>"
        for path in "abc"
        for scheme in ("http", "https")
    )
    seen = observed(f"{HOME}/", f"<html><body>{twice}<a href='/new'>Nouveau</a></body></html>")
    assert sorted(each.url for each in seen.onward) == [f"{HOME}/{path}" for path in ("a", "b", "c", "new")]


@pytest.mark.parametrize(("asked", "pause"), [(5.0, 10.0), (30.0, 30.0), (3600.0, LONGEST_PAUSE)])
@pytest.mark.usefixtures("site")
def test_a_pause_that_is_asked_for_is_made_longer_never_shorter(asked: float, pause: float) -> None:
    assert bounded_pause(asked) == pause


# Links of a page of a prefecture's site: booking pages, pages worth a visit, traps.


OWN = "https://www.essonne.gouv.fr"


def found(body: str, url: str = f"{OWN}/Demarches/") -> dict[str, str]:
    return {link.url: link.text for link in find_links(page_of(url, body.encode()))}


def test_links_are_absolute_once_each_and_have_their_words() -> None:
    body = """<a href="../Etrangers#haut">Étrangers
      en France</a><a href="/Etrangers"></a><a href="Visa"><img alt="Visas"></a><a href="/x" title="Titre"></a>
      <iframe src="https://www.doctolib.fr/iframe"></iframe><a href="mailto:a@example.org">Écrire</a>
      <a href="javascript:void(0)">x</a><a href="http://[">kaputt</a><a href="tel:17">17</a>"""
    assert found(body) == {
        f"{OWN}/Etrangers": "Étrangers en France",
        f"{OWN}/Demarches/Visa": "Visas",
        f"{OWN}/x": "Titre",
        "https://www.doctolib.fr/iframe": "",
    }


def test_a_link_without_words_has_those_of_the_nearest_heading() -> None:
    body = """<h2>Vos démarches</h2><div><a href="a">Visas</a><h3>Guichet</h3></div><h3><b>Passeports</b></h3>
      <div><h4>Titres de séjour</h4></div><div><a href="b">ici</a></div>"""
    assert found(body)[f"{OWN}/Demarches/b"] == "Titres de séjour"


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
        ("http://essonne.gouv.fr/a?b=1#c", f"{OWN}/a?b=1"),
        ("https://www.essonne.gouv.fr:443/a", f"{OWN}/a"),
        ("https://www.essonne.gouv.fr:8443/a", None),
        ("https://essonne.gouv.fr.evil.example/a", None),
        ("https://pprdv.interieur.gouv.fr/", None),
        ("ftp://www.essonne.gouv.fr/a", None),
    ],
)
def test_an_address_of_the_site_is_written_as_the_site_does(url: str, own: str | None) -> None:
    assert resolve_on_site(url, OWN) == own


@in_turn(
    "path",
    [
        "/Agenda/2026/11", "/evenements?calendrier=2026-11", "/recherche?q=x", "/actes/recueil.PDF", "/imprimer/12",
        "/" + "x" * 300, "/liste?a=1&b=2&c=3", "/connexion",
    ],
)  # fmt: skip
def test_traps_and_files_are_not_walked(path: str) -> None:
    assert not worth_walking(OWN + path)
