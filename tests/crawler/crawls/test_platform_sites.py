"""Platforms by a real crawl against their stand-ins: what is open is seen, what is not is proven, nothing is taken."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from configs.world.desk import Outcome
from configs.world.prefecture import load_prefectures
from crawler.items import CheckItem
from tests.crawler.held import Held, make_desk

if TYPE_CHECKING:
    from tests.running_sandbox import Running

DESKS = Path(__file__).parents[3] / "deploy" / "sandbox" / "prefectures"


class Site(NamedTuple):
    """A desk: its platform and path, and where its slots are opened."""

    platform: str
    path: str
    parameters: dict[str, Any]
    form: int
    plannings: tuple[int, ...]
    least: int  # requests of a visit that proves no slots
    mode: str = "normal"  # in which it shows hours
    has_places: bool = False  # a place for each planning, by its number


ORION = Site(
    "orion", "/orion-reservation/slots?account=SANDBOX&config=REMISE995101&usemode=app&code=V1",
    {"config": "config-995101", "purposes": [{"id": "purpose-995101"}], "duration": 20},
    995101, (9951011, 9951012), 1, "timed",
)  # fmt: skip
ALL = [
    Site("doctolib", "/prefecture/lille/guichet-994001", {"motives": [994001]}, 994001, (9940011, 9940012), 2),
    Site(
        "keldoc", "/prefecture/strasbourg-67000/guichet-994003",
        {"clinic": 1, "specialty": 1, "cabinet": 994003, "motive": 994003}, 994003, (9940031, 9940032), 2,
    ),
    Site(
        "maiia", "/prefecture/69100-villeurbanne/guichet-994004", {"center": "994004", "reason": "Remise de titre"},
        994004, (9940041,), 1,
    ),
    ORION,
    Site(
        "citopia", "/alias/poitiers-86000-995103", {"structure": 995103, "reason": 995103}, 995103, (9951031,), 14
    ),
    Site(
        "synbird", "/79000-mairie-995104",
        {"company": 995104, "prestation": 995104, "places": [9951041, 9951042], "answers": [{"id": 995104}]},
        995104, (9951041, 9951042), 1,
    ),
    Site(
        "rdv_service_public", "/prendre_rdv?public_link_organisation_id=996001", {}, 996001, (996011, 996012), 1,
        has_places=True,
    ),
]  # fmt: skip
EACH = pytest.mark.parametrize("site", ALL, ids=lambda site: site.platform)


@pytest.fixture(autouse=True)
def _deadline(settings_env: Callable[..., None], held: Held) -> None:
    settings_env(HTTP_DEADLINE_SECONDS=20)


def opened(sandbox: "Running", site: Site, *moments: datetime) -> None:
    """Open hours at a site that shows them, at its places in turn."""
    sandbox.mode(site.platform, site.mode)
    for number, at in enumerate(moments):
        planning = site.plannings[number % len(site.plannings)]
        sandbox.open_slots(site.platform, site.form, at=[at], planning=planning)


def check(held: Held, sandbox: "Running", site: Site, **desk: Any) -> CheckItem:
    url = f"{sandbox.site(site.platform)}{site.path}"
    return held.check(make_desk(url, platform=site.platform, parameters=site.parameters, **desk))


def day(ahead: int) -> datetime:
    return (datetime.now(UTC) + timedelta(days=ahead)).replace(hour=9, minute=30, second=0, microsecond=0)


@EACH
def test_slots_near_and_far_are_seen_and_nothing_else(held: Held, sandbox: "Running", site: Site) -> None:
    wanted = [day(2), day(9), day(40), day(41), day(85)]
    opened(sandbox, site, *wanted)
    item = check(held, sandbox, site)
    assert (item.outcome, item.error) == (Outcome.SLOTS, None)
    assert sorted(slot.starts_at for slot in item.slots if slot.starts_at) == wanted
    assert len(item.slots) == len(wanted)
    if site.has_places:
        assert {slot.place.key for slot in item.slots} == {str(each) for each in site.plannings}
    assert sandbox.reservations(site.platform) == 0


@EACH
def test_no_slots_is_proven_for_all_days(held: Held, sandbox: "Running", site: Site) -> None:
    item = check(held, sandbox, site)
    assert (item.outcome, item.error) == (Outcome.NO_SLOTS, None)
    today = datetime.now(UTC).date()
    assert max(each.last or date.max for each in item.covered) >= today + timedelta(days=89)
    assert item.requests >= site.least


def test_more_slots_than_one_page_holds_are_all_seen(held: Held, sandbox: "Running") -> None:
    wanted = [day(3) + timedelta(minutes=number) for number in range(230)]
    opened(sandbox, ORION, *wanted)
    item = check(held, sandbox, ORION)
    assert (len(item.slots), item.requests, item.error) == (230, 3, None)
    assert len(item.covered) == 1


def test_of_esirius_a_motive_with_availabilities_is_open_and_the_other_is_covered(
    held: Held, sandbox: "Running"
) -> None:
    path = "/eAppointment996101/appointment.do?sitekey=S996101"
    site = Site("esirius", path, {}, 996101, (996112,), 4)
    opened(sandbox, site, day(9))
    item = check(held, sandbox, site)
    assert (item.outcome, item.error, item.requests) == (Outcome.SLOTS, None, 4)
    assert [(slot.place.key, slot.place.label, slot.moment) for slot in item.slots] == [
        ("996112", "Première demande", None)
    ]
    assert [each.place_key for each in item.covered] == ["996111"]
    assert sandbox.reservations("esirius") == 0


def test_by_selectors_the_hours_of_all_pages_behind_a_banner_and_a_choice_are_seen(
    held: Held, sandbox: "Running"
) -> None:
    known = load_prefectures(DESKS)["melun_77"].desks
    (rules,) = (desk.parameters for desk in known if desk.platform == "selectors")
    wanted = sandbox.open_slots("selectors", 992077, count=7, planning=992177)
    sandbox.open_slots("selectors", 992077, count=2, planning=992277)
    item = check(held, sandbox, Site("selectors", "/rdv/992077", rules, 992077, (992177,), 6))
    assert (item.outcome, item.error) == (Outcome.SLOTS, None)
    assert {slot.starts_at for slot in item.slots} == set(wanted)
    assert len(item.covered) == 1
    assert item.requests == 6, "the page, the banner and back, three pages of hours"
    assert all("/reserver/" in (slot.url or "") for slot in item.slots)
    assert sandbox.reservations("selectors") == 0
