"""A page that needs a browser, by a real crawl and a real Chromium against a stand-in: banner, drop-down, script."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from configs.world.outcome import Outcome
from configs.world.prefecture import load_prefectures
from crawler.items import CheckItem
from tests.crawler.held import Held, make_desk

if TYPE_CHECKING:
    from deploy.sandbox.running import Running

pytestmark = [pytest.mark.xdist_group("browser"), pytest.mark.usefixtures("browser")]
DESKS = Path(__file__).parents[3] / "deploy" / "sandbox" / "prefectures"
FORM, PERMITS, PASSPORTS = 992095, 992195, 992295


@pytest.fixture
def rules() -> dict[str, Any]:
    """Return the parameters of the sandbox's own desk."""
    desks = load_prefectures(DESKS)["cergy_95"].desks
    (found,) = (desk.parameters for desk in desks if desk.platform == "selectors")
    return found


@pytest.fixture(autouse=True)
def _short(settings_env: Callable[..., None], browser: Path) -> None:
    settings_env(BROWSER_PATH=browser, BROWSER_DEADLINE_SECONDS="45", BROWSER_WAIT_SECONDS="15")


def check(held: Held, sandbox: "Running", rules: dict[str, Any], **fields: Any) -> CheckItem:
    url = f"{sandbox.site('rendered')}/calendrier/{FORM}"
    return held.check(make_desk(url, platform="selectors", fetch="browser", parameters=rules, **fields))


def asked(sandbox: "Running") -> list[str]:
    return [each.path for each in sandbox.requests("rendered")]


def test_what_a_script_shows_after_a_banner_and_a_choice_is_read(
    held: Held, sandbox: "Running", rules: dict[str, Any]
) -> None:
    opened = sandbox.open_slots("rendered", FORM, count=3, planning=PERMITS)
    sandbox.open_slots("rendered", FORM, count=2, planning=PASSPORTS)
    item = check(held, sandbox, rules)
    assert (item.outcome, item.error) == (Outcome.SLOTS, None)
    assert {slot.starts_at for slot in item.slots} == set(opened)
    assert len(item.covered) == 1
    base = f"/calendrier/{FORM}"
    assert asked(sandbox) == [base, f"{base}/motifs", f"{base}/creneaux?motif={PERMITS}"], "and no image"
    assert item.requests == 3
    assert sandbox.reservations("rendered") == 0
