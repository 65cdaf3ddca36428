"""Results of a walk: pages that nobody listed, desks that are linked again, and those whose page has moved."""

from collections.abc import Collection, Mapping
from datetime import UTC, date, datetime, timedelta
from types import MappingProxyType
from typing import Any

import pytest

from api.models.discovery import DriftReason
from configs.world.desk import Desk
from configs.world.prefecture import Prefecture
from crawler.discovery.booking_links import Booking
from crawler.discovery.moved_page_rules import CheckHistory, find_move
from crawler.discovery.observations import ObservedPage, PageSeen
from crawler.discovery.results import RunResult, evaluate_run
from crawler.discovery.site_walk import SiteWalk
from tests.in_turn import in_turn

NOW = datetime(2026, 11, 20, 9, tzinfo=UTC)
NOTHING: Mapping[str, Collection[str]] = MappingProxyType({})
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
EVERY = [desk for each in PLACES for desk in each.desks]


def page(*bookings: Booking, seen: ObservedPage = ObservedPage.READ, url: str = PAGE) -> PageSeen:
    return PageSeen("evry_91", url, seen, "why", bookings)


def came(*facts: PageSeen, before: Mapping[str, Collection[str]] = NOTHING) -> RunResult:
    site = SiteWalk(EVRY)
    for each in facts:
        site.record(each)
    return evaluate_run({"evry_91": site}, EVERY, NOW, before, {})


def test_a_page_that_no_file_has_is_found_once_with_all_that_link_it() -> None:
    found = came(
        page(Booking(NEW, "Titre")),
        page(Booking(f"{NEW}cgu/", "ici"), url=f"{SITE}/autre"),
    ).found
    assert [(each.url, each.text, pages) for _, each, pages in found] == [
        (NEW, "Titre", [PAGE, f"{SITE}/autre"])
    ]


def test_a_former_desk_that_is_linked_is_no_new_page_and_does_not_drift() -> None:
    outcome = came(page(Booking(f"{SITE}/booking/create/2", "x")))
    assert (outcome.found, outcome.drifted) == ([], [])


def test_links_to_a_search_that_all_share_say_nothing() -> None:
    before = {"evry_91/cni": {PAGE}, "evry_91/a": {PAGE}}
    assert [desk for desk, *_ in came(page(), before=before).drifted] == ["evry_91/a"]


# The rules for moved pages, each by itself, also where they decide nothing

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
LINKING = "https://www.essonne.gouv.fr/rendez-vous"
KNOWN = (LINKING,)
LIVES = CheckHistory(silent_since=NOW)
MUTE = CheckHistory(silent_since=NOW - HOUR)


def answer(seen: ObservedPage = ObservedPage.READ) -> dict[str, PageSeen]:
    return {LINKING: PageSeen("evry_91", LINKING, seen)}


def reason(
    life: CheckHistory, seen: dict[str, PageSeen] | None = None, *, linked: bool = False, cut: bool = False
) -> DriftReason | None:
    sign = find_move(life, KNOWN, answer() if seen is None else seen, NOW, linked=linked, cut=cut)
    return sign[0] if sign else None


# The retired link


@in_turn("life", [LIVES, MUTE, CheckHistory()])
def test_a_link_that_its_page_has_no_more_is_retired_though_the_page_says_no_slot(life: CheckHistory) -> None:
    sign = find_move(life, KNOWN, answer(), NOW)
    assert sign is not None
    assert (sign[0], LINKING in sign[1]) == (DriftReason.UNLINKED, True)


def test_slots_prove_that_a_page_is_still_in_use() -> None:
    assert reason(CheckHistory(slot_at=NOW - HOUR)) is None
    assert reason(CheckHistory(slot_at=NOW - 2 * DAY)) is DriftReason.UNLINKED


@pytest.mark.parametrize(
    ("seen", "beside"),
    [
        pytest.param(answer(), {"linked": True}, id="still linked, there or elsewhere"),
        pytest.param({}, {}, id="its page was not asked"),
        pytest.param({}, {"cut": True}, id="its page was not reached"),
        pytest.param(answer(ObservedPage.DOUBT), {}, id="its page did not answer, or robots.txt forbids it"),
        pytest.param(
            answer(ObservedPage.GONE), {"cut": True}, id="its page has gone, and not all others were seen"
        ),
        pytest.param(
            answer(ObservedPage.MOVED),
            {"cut": True},
            id="its page leads elsewhere, and not all others were seen",
        ),
    ],
)
def test_doubt_retires_no_link(seen: dict[str, PageSeen], beside: dict[str, bool]) -> None:
    assert reason(LIVES, seen, **beside) is None


@in_turn("gone", [ObservedPage.GONE, ObservedPage.MOVED])
def test_a_page_that_has_gone_takes_its_links_with_it_where_all_others_were_seen(gone: ObservedPage) -> None:
    assert reason(LIVES, answer(gone)) is DriftReason.UNLINKED


# Silence


def test_a_week_without_proof_is_too_long() -> None:
    week = timedelta(days=7)
    assert reason(CheckHistory(silent_since=NOW - week), linked=True) is DriftReason.SILENT
    assert reason(CheckHistory(silent_since=NOW - week + HOUR), linked=True) is None
    assert reason(CheckHistory(silent_since=None), linked=True) is None


def test_what_an_operator_stopped_has_not_moved() -> None:
    stopped = CheckHistory(silent_since=NOW - 30 * DAY, stopped=True)
    assert reason(stopped) is None
