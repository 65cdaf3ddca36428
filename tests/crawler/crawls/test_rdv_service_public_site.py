"""RDV Service Public by a real crawl against its stand-in: a list of places, their weeks, its own refusals."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from configs.world.outcome import Outcome
from crawler.items import CheckItem
from tests.crawler.held import Held, make_desk

if TYPE_CHECKING:
    from deploy.sandbox.running import Running

CODE, FORM, PLACES = "rdv_service_public", 996001, (996011, 996012)


@pytest.fixture(autouse=True)
def _deadline(settings_env: Callable[..., None], held: Held) -> None:
    settings_env(HTTP_DEADLINE_SECONDS=20)


def check(held: Held, sandbox: "Running", **desk: Any) -> CheckItem:
    url = f"{sandbox.site(CODE)}/prendre_rdv?public_link_organisation_id={FORM}"
    return held.check(make_desk(url, platform=CODE, **desk))


def day(ahead: int) -> datetime:
    return (datetime.now(UTC) + timedelta(days=ahead)).replace(hour=9, minute=30, second=0, microsecond=0)


def test_the_hours_of_all_places_and_weeks_are_seen_and_none_is_taken(held: Held, sandbox: "Running") -> None:
    wanted = {PLACES[0]: [day(2), day(5), day(40)], PLACES[1]: [day(60), day(61), day(88)]}
    for planning, hours in wanted.items():
        sandbox.open_slots(CODE, FORM, at=hours, planning=planning)
    item = check(held, sandbox)
    assert (item.outcome, item.error) == (Outcome.SLOTS, None)
    seen = {(int(slot.place.key), slot.starts_at) for slot in item.slots}
    assert seen == {(planning, hour) for planning, hours in wanted.items() for hour in hours}
    assert all("starts_at=" in (slot.url or "") for slot in item.slots)
    assert {slot.place.label for slot in item.slots} == {
        "Préfecture du Val-de-Marne",
        "Maison France Services",
    }
    assert sandbox.reservations(CODE) == 0
