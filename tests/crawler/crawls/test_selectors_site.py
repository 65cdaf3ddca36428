"""A page watched by selectors alone, by a real crawl against a stand-in: banner, drop-down, pages of hours."""

from typing import TYPE_CHECKING, Any

import pytest

from configs.world.outcome import Outcome
from configs.world.prefecture import load_prefectures
from crawler.items import CheckItem
from tests.crawler.held import Held, make_desk
from tests.deploy.sandbox.test_desk_files import FOLDER

if TYPE_CHECKING:
    from deploy.sandbox.running import Running

FORM, PERMITS, CARS = 992077, 992177, 992277


@pytest.fixture
def rules() -> dict[str, Any]:
    """Return the parameters of the sandbox's own desk."""
    desks = load_prefectures(FOLDER)["melun_77"].desks
    (found,) = (desk.parameters for desk in desks if desk.platform == "selectors")
    return found


def check(held: Held, sandbox: "Running", rules: dict[str, Any]) -> CheckItem:
    url = f"{sandbox.site('selectors')}/rdv/{FORM}"
    return held.check(make_desk(url, platform="selectors", parameters=rules))


def test_the_hours_of_all_pages_are_seen_and_none_is_taken(
    held: Held, sandbox: "Running", rules: dict[str, Any]
) -> None:
    opened = sandbox.open_slots("selectors", FORM, count=7, planning=PERMITS)
    sandbox.open_slots("selectors", FORM, count=2, planning=CARS)
    item = check(held, sandbox, rules)
    assert (item.outcome, item.error) == (Outcome.SLOTS, None)
    assert {slot.starts_at for slot in item.slots} == set(opened)
    assert len(item.covered) == 1
    assert item.requests == 6, "the page, the banner and back, three pages of hours"
    assert all("/reserver/" in (slot.url or "") for slot in item.slots)
    assert sandbox.reservations("selectors") == 0
