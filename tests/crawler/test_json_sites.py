"""Doctolib, Keldoc, Maiia and a page that embeds a calendar, by a real crawl against their stand-ins."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from configs.outcome import Outcome
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
WIDGET = Site(
    "widget",
    "/rendez-vous/994005",
    {"platform": "doctolib", "parameters": {"motives": [994002]}},
    "doctolib",
    994002,
    (9940021,),
    3,
)
ALL = [DOCTOLIB, KELDOC, MAIIA, WIDGET]
EACH = pytest.mark.parametrize("site", ALL, ids=lambda site: site.platform)


@pytest.fixture(autouse=True)
def _deadline(settings_env: Callable[..., None], held: Held) -> None:
    settings_env(HTTP_DEADLINE_SECONDS=20)


def check(held: Held, sandbox: "Running", site: Site, **desk: Any) -> CheckItem:
    url = f"{sandbox.site(site.platform)}{site.path}"
    return held.check(make_desk(url, platform=site.platform, parameters=site.parameters, **desk))


def day(ahead: int) -> datetime:
    return (datetime.now(UTC) + timedelta(days=ahead)).replace(hour=9, minute=30, second=0, microsecond=0)


@EACH
def test_slots_near_and_far_are_seen_and_nothing_else(held: Held, sandbox: "Running", site: Site) -> None:
    wanted = [day(2), day(9), day(40), day(41), day(85)]
    for number, at in enumerate(wanted):
        planning = site.plannings[number % len(site.plannings)]
        sandbox.open_slots(site.code, site.form, at=[at], planning=planning)
    item = check(held, sandbox, site)
    assert (item.outcome, item.error) == (Outcome.SLOTS, None)
    assert sorted(slot.starts_at for slot in item.slots if slot.starts_at) == wanted
    assert len(item.slots) == len(wanted)


@EACH
def test_a_slot_far_away_is_found_at_once(held: Held, sandbox: "Running", site: Site) -> None:
    sandbox.open_slots(site.code, site.form, at=[day(60)], planning=site.plannings[0])
    item = check(held, sandbox, site)
    assert (item.outcome, [slot.starts_at for slot in item.slots]) == (Outcome.SLOTS, [day(60)])


@EACH
def test_what_lies_beyond_the_horizon_is_no_slot(held: Held, sandbox: "Running", site: Site) -> None:
    sandbox.open_slots(site.code, site.form, at=[day(60)], planning=site.plannings[0])
    item = check(held, sandbox, site, horizon=30)
    assert (item.outcome, item.slots) == (Outcome.NO_SLOTS, ())


@EACH
def test_no_slots_is_proven_for_all_days(held: Held, sandbox: "Running", site: Site) -> None:
    item = check(held, sandbox, site)
    assert (item.outcome, item.error) == (Outcome.NO_SLOTS, None)
    today = datetime.now(UTC).date()
    assert max(each.last for each in item.covered if each.last) >= today + timedelta(days=89)
    assert item.requests >= site.least


@EACH
@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        ("block", Outcome.BLOCKED),
        ("cloudflare", Outcome.BLOCKED),
        ("captcha", Outcome.CAPTCHA),
        ("maintenance", Outcome.MAINTENANCE),
        ("rate_limited", Outcome.RATE_LIMITED),
        ("layout", Outcome.UNREADABLE),
        ("error200", Outcome.UNREADABLE),
        ("empty", Outcome.UNREADABLE),
        ("overload_502", Outcome.UNREACHABLE),
        ("truncated_gzip", Outcome.UNREACHABLE),
        ("reset", Outcome.UNREACHABLE),
        ("redirect_away", Outcome.UNREADABLE),
    ],
)
def test_a_site_that_is_not_well_ends_in_its_outcome(
    held: Held, sandbox: "Running", site: Site, mode: str, expected: Outcome
) -> None:
    sandbox.mode(site.code, mode)
    item = check(held, sandbox, site)
    assert (item.outcome, item.slots, item.covered) == (expected, (), ()), item.reason


@EACH
def test_a_site_that_hangs_is_unreachable_when_its_time_is_up(
    held: Held, sandbox: "Running", site: Site, settings_env: Callable[..., None]
) -> None:
    settings_env(HTTP_DEADLINE_SECONDS=2)
    sandbox.mode(site.code, "hang_forever")
    assert check(held, sandbox, site).outcome is Outcome.UNREACHABLE


@pytest.mark.parametrize(
    ("site", "mode", "expected"),
    [
        (DOCTOLIB, "booking_disabled", Outcome.CLOSED),
        (DOCTOLIB, "booking_paused", Outcome.MAINTENANCE),
        (DOCTOLIB, "slots_as_objects", Outcome.SLOTS),
        (KELDOC, "phone_only", Outcome.NO_SLOTS),
        (KELDOC, "dates_only", Outcome.SLOTS),
        (MAIIA, "hint_only", Outcome.NO_SLOTS),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_each_platforms_own_answers(
    held: Held, sandbox: "Running", site: Site, mode: str, expected: Outcome
) -> None:
    sandbox.open_slots(site.code, site.form, at=[day(10)], planning=site.plannings[0])
    sandbox.mode(site.code, mode)
    item = check(held, sandbox, site)
    assert item.outcome is expected, item.reason
    assert [slot.starts_at for slot in item.slots] == ([day(10)] if expected is Outcome.SLOTS else [])


def test_a_place_that_is_gone_is_closed(held: Held, sandbox: "Running") -> None:
    assert check(held, sandbox, DOCTOLIB._replace(path="/prefecture/lille/guichet")).outcome is Outcome.CLOSED


def test_a_page_that_embeds_no_calendar_any_more_is_unreadable(held: Held, sandbox: "Running") -> None:
    sandbox.mode("widget", "no_frame")
    assert check(held, sandbox, WIDGET).outcome is Outcome.UNREADABLE
