"""The result of a whole run, and its report."""

from datetime import UTC, date, datetime
from typing import Any

from api.models.discovery import DriftReason
from configs.world.desk import Desk
from configs.world.prefecture import Prefecture
from crawler.discovery.results import KnownPages, RunResult, addresses, back, evaluate_run
from crawler.discovery.site_links import Booking
from crawler.discovery.site_walk import ObservedPage, PageSeen

NOW = datetime(2026, 11, 20, 9, tzinfo=UTC)
SITE = "https://www.essonne.gouv.fr"
PAGE = f"{SITE}/rendez-vous"
SHARED = "https://rdv.example/booking/create/9"  # as the national search for town halls is
NEW = "https://www.rdv-prefecture.interieur.gouv.fr/rdvpref/reservation/demarche/7/"


def place(name: str, department: str, *desks: Desk) -> Prefecture:
    return Prefecture(
        id=f"{name}_{department}", name=name, department=department, region="x", chef_lieu=name, site=SITE,
        latitude=48.633, longitude=2.441, time_zone="Europe/Paris", tier=1, desks=desks,
    )  # fmt: skip


def at(home: str, slug: str, url: str, **more: Any) -> Desk:
    given: dict[str, Any] = {
        "label": slug,
        "procedures": ["PASSEPORT"],
        "platform": "ezbooking",
        "grade": "unconfirmed",
    }
    given |= {"source": "test", "date": date(2026, 1, 1)}
    return Desk(**given | more, prefecture_id=home, slug=slug, url=url)


EVRY = place(
    "evry", "91",
    at("evry_91", "a", f"{SITE}/booking/create/1"),
    at("evry_91", "old", f"{SITE}/booking/create/2", grade="stale"),
    at("evry_91", "cni", SHARED),
)  # fmt: skip
OTHER = place("melun", "77", at("melun_77", "cni", SHARED))
PLACES = [EVRY, OTHER]
EVERY = addresses(desk for each in PLACES for desk in each.desks)


def page(*bookings: Booking, seen: ObservedPage = ObservedPage.READ, url: str = PAGE) -> PageSeen:
    return PageSeen("evry_91", url, seen, "why", bookings)


def came(*facts: PageSeen, **known: Any) -> RunResult:
    return evaluate_run(facts, PLACES, KnownPages(EVERY, **known), NOW)


def test_a_page_that_no_file_has_is_found_once_with_all_that_link_it() -> None:
    found = came(
        page(Booking(NEW, "Titre", "rdvpref")),
        page(Booking(f"{NEW}cgu/", "ici", "rdvpref"), url=f"{SITE}/autre"),
    ).found
    assert [(each.url, each.text, each.pages) for each in found] == [(NEW, "Titre", (f"{SITE}/autre", PAGE))]


def test_a_former_desk_that_is_linked_is_told_and_does_not_drift() -> None:
    outcome = came(page(Booking(f"{SITE}/booking/create/2", "x", "ezbooking", "evry_91/old")))
    assert (outcome.former, outcome.drifted) == (("evry_91/old",), ())


def test_links_to_a_search_that_all_share_say_nothing() -> None:
    before = {"evry_91/cni": {PAGE}, "evry_91/a": {PAGE}}
    assert [desk for desk, _ in came(page(), before=before).drifted] == ["evry_91/a"]


def test_a_desk_that_is_linked_again_is_back() -> None:
    outcome = came(page(Booking(f"{SITE}/booking/create/1", "x", "ezbooking", "evry_91/a")))
    assert back({"evry_91/a": DriftReason.UNLINKED, "evry_91/cni": DriftReason.UNLINKED}, outcome) == [
        "evry_91/a"
    ]
    assert back({"evry_91/a": DriftReason.SILENT}, outcome) == []
