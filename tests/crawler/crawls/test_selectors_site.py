"""A page watched by selectors alone, by a real crawl against a stand-in: banner, drop-down, pages of hours."""

from typing import TYPE_CHECKING, Any

import pytest

from configs.world.outcome import Outcome
from configs.world.prefecture import load_prefectures
from crawler.items import CheckItem
from tests.crawler.crawls.ailing import SAYS_NOTHING, proves_nothing
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


def test_no_slots_is_proven_by_the_pages_own_words(
    held: Held, sandbox: "Running", rules: dict[str, Any]
) -> None:
    sandbox.open_slots("selectors", FORM, count=1, planning=CARS)
    item = check(held, sandbox, rules)
    assert (item.outcome, item.reason) == (Outcome.NO_SLOTS, "Aucun rendez-vous n'est disponible.")
    assert len(item.covered) == 1


def test_a_choice_that_is_not_offered_is_said(held: Held, sandbox: "Running", rules: dict[str, Any]) -> None:
    wrong = {**rules, "steps": [{"at": "select#motif", "option": "Naturalisation"}]}
    item = check(held, sandbox, wrong)
    assert (item.outcome, item.slots) == (Outcome.UNREADABLE, ())
    assert "select#motif Naturalisation" in item.reason


def test_a_page_that_says_nothing_proves_nothing(
    held: Held, sandbox: "Running", rules: dict[str, Any]
) -> None:
    sandbox.open_slots("selectors", FORM, count=1, planning=PERMITS)
    sandbox.mode("selectors", SAYS_NOTHING)
    proves_nothing(check(held, sandbox, rules), Outcome.UNREADABLE)
