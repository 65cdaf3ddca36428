"""The calendars that answer in JSON, and a page that embeds one, by a real crawl against their stand-ins."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from configs.world.outcome import Outcome
from crawler.items import CheckItem
from tests.crawler.held import Held, make_desk

if TYPE_CHECKING:
    from deploy.sandbox.running import Running


class Site(NamedTuple):
    """A desk: its platform and path, and where its slots are opened."""

    platform: str
    path: str
    parameters: dict[str, Any]
    code: str
    form: int
    plannings: tuple[int, ...]
    least: int  # requests of a visit that proves no slots
    mode: str = "normal"  # in which it shows hours


DOCTOLIB = Site(
    "doctolib",
    "/prefecture/lille/guichet-994001",
    {"motives": [994001]},
    "doctolib",
    994001,
    (9940011, 9940012),
    2,
)
KELDOC = Site(
    "keldoc",
    "/prefecture/strasbourg-67000/guichet-994003",
    {"clinic": 1, "specialty": 1, "cabinet": 994003, "motive": 994003},
    "keldoc",
    994003,
    (9940031, 9940032),
    2,
)
MAIIA = Site(
    "maiia",
    "/prefecture/69100-villeurbanne/guichet-994004",
    {"center": "994004", "reason": "Remise de titre"},
    "maiia",
    994004,
    (9940041,),
    1,
)
ORION = Site(
    "orion",
    "/orion-reservation/slots?account=SANDBOX&config=REMISE995101&usemode=app&code=V1",
    {"config": "config-995101", "purposes": [{"id": "purpose-995101"}], "duration": 20},
    "orion",
    995101,
    (9951011, 9951012),
    1,
    "timed",
)
CITOPIA = Site(
    "citopia",
    "/alias/poitiers-86000-995103",
    {"structure": 995103, "reason": 995103},
    "citopia",
    995103,
    (9951031,),
    14,
)
SYNBIRD = Site(
    "synbird",
    "/79000-mairie-995104",
    {"company": 995104, "prestation": 995104, "places": [9951041, 9951042], "answers": [{"id": 995104}]},
    "synbird",
    995104,
    (9951041, 9951042),
    1,
)
ALL = [DOCTOLIB, KELDOC, MAIIA, ORION, CITOPIA, SYNBIRD]
EACH = pytest.mark.parametrize("site", ALL, ids=lambda site: site.platform)


@pytest.fixture(autouse=True)
def _deadline(settings_env: Callable[..., None], held: Held) -> None:
    settings_env(HTTP_DEADLINE_SECONDS=20)


def opened(sandbox: "Running", site: Site, *moments: datetime) -> None:
    """Open hours at a site that shows them, at its places in turn."""
    sandbox.mode(site.code, site.mode)
    for number, at in enumerate(moments):
        planning = site.plannings[number % len(site.plannings)]
        sandbox.open_slots(site.code, site.form, at=[at], planning=planning)


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


@EACH
def test_no_slots_is_proven_for_all_days(held: Held, sandbox: "Running", site: Site) -> None:
    item = check(held, sandbox, site)
    assert (item.outcome, item.error) == (Outcome.NO_SLOTS, None)
    today = datetime.now(UTC).date()
    assert max(each.last for each in item.covered if each.last) >= today + timedelta(days=89)
    assert item.requests >= site.least


def test_more_slots_than_one_page_holds_are_all_seen(held: Held, sandbox: "Running") -> None:
    wanted = [day(3) + timedelta(minutes=number) for number in range(230)]
    opened(sandbox, ORION, *wanted)
    item = check(held, sandbox, ORION)
    assert (len(item.slots), item.requests, item.error) == (230, 3, None)
    assert len(item.covered) == 1
