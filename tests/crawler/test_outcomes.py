"""Every outcome by a real crawl: a real engine and downloader against stand-ins that misbehave on the wire."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
import requests

from configs.world.desk import Outcome
from crawler.items import CheckItem
from tests.crawler.held import Held, make_desk
from tests.in_turn import in_turn

if TYPE_CHECKING:
    from tests.running_sandbox import Running

FORM = 23014
PLANNINGS = (23018, 23198, 23199)


@pytest.fixture
def held(_held: Held, settings_env: Callable[..., None]) -> Held:
    """Give the spider, with a deadline that a busy machine keeps: half a visit is another outcome."""
    settings_env(HTTP_DEADLINE_SECONDS="20")
    return _held


def check(held: Held, sandbox: "Running", code: str = "91", form: int = FORM) -> CheckItem:
    item = held.check(make_desk(f"{sandbox.site(code)}/booking/create/{form}"))
    assert isinstance(item, CheckItem)
    assert item.token == 7
    assert item.reason
    assert len(item.process.split(":")) == 2
    return item


@pytest.mark.rule("3.8")
def test_no_check_of_an_open_desk_calls_the_step_that_takes_a_slot(held: Held, sandbox: "Running") -> None:
    for planning in PLANNINGS:
        sandbox.open_slots("91", FORM, count=4, planning=planning)
    sandbox.open_slots("77", 48803, count=4)
    assert check(held, sandbox).outcome is Outcome.SLOTS
    assert check(held, sandbox, "77", 48803).outcome is Outcome.SLOTS
    seen = [each for code in ("91", "77") for each in sandbox.requests(code)]
    assert any("planning::assign" in each.path for each in seen)
    steps = {(each.method, each.path.split("/")[4]) for each in seen if "/create/" in each.path}
    assert steps <= {
        ("GET", "0"),
        ("POST", "0"),
        ("GET", "1"),
        ("POST", "1"),
        ("GET", "2"),
        ("GET", "3"),
        ("POST", "3"),
        ("GET", "4"),
    }
    assert sandbox.reservations("91") == sandbox.reservations("77") == 0


def test_a_slot_that_is_taken_is_counted_by_either_way(sandbox: "Running") -> None:
    """So the counts above could show one."""
    first, second, third = sandbox.open_slots(77, 48803, count=3)
    site = f"{sandbox.site(77)}/booking/create/48803"
    with requests.Session() as visitor:
        taken = visitor.get(f"{site}/5/{int(first.timestamp())}", timeout=60)
        assert "Plage horaire retenue" in taken.text
        assert sandbox.reservations(77) == 1
        visitor.get(f"{site}/0", timeout=60)
        visitor.post(f"{site}/0", {"condition": "on", "nextButton": "x"}, timeout=60)
        visitor.post(f"{site}/3", {"nextButton": "Etape suivante"}, timeout=60)
        visitor.post(f"{site}/4", {"nextButton": "Première plage horaire libre"}, timeout=60)
    assert sandbox.reservations(77) == 2
    assert sandbox.take_slots(77, 48803) == [max(second, third)]


@pytest.mark.rule("3.1")
@in_turn(
    "mode, expected",
    [
        ("overload", (Outcome.OVERLOADED, "surchargé")),
        ("overload_502", (Outcome.OVERLOADED, "502")),
        ("overload_503", (Outcome.OVERLOADED, "503")),
        ("overload_504", (Outcome.OVERLOADED, "504")),
        ("block", (Outcome.BLOCKED, "403")),
        ("cloudflare", (Outcome.BLOCKED, "Cloudflare")),
        ("captcha", (Outcome.CAPTCHA, "captcha")),
        ("maintenance", (Outcome.MAINTENANCE, "")),
        ("closed", (Outcome.CLOSED, "désactivé définitivement")),
        ("rate_limited", (Outcome.RATE_LIMITED, "429")),
        ("layout", (Outcome.UNREADABLE, "no rule")),
        ("empty", (Outcome.UNREADABLE, "empty")),
        ("error200", (Outcome.UNREADABLE, "no rule")),
        ("big", (Outcome.UNREADABLE, "bytes are announced")),
        ("redirect_loop", (Outcome.UNREADABLE, "more than 5 times")),
        ("redirect_away", (Outcome.UNREADABLE, "another site: http://127.77.9.9")),
        ("truncated_gzip", (Outcome.UNREACHABLE, "cut short")),
        ("reset", (Outcome.UNREACHABLE, "lost")),
        ("hang", (Outcome.UNREACHABLE, "in time")),
        ("hang_forever", (Outcome.UNREACHABLE, "in time")),
        ("drip", (Outcome.UNREACHABLE, "in time")),
    ],
)
def test_a_site_that_is_not_well_ends_in_its_outcome(
    held: Held,
    sandbox: "Running",
    settings_env: Callable[..., None],
    mode: str,
    expected: tuple[Outcome, str],
) -> None:
    sandbox.reset()
    outcome, reason = expected
    deadline = (
        1 if reason == "in time" else 20
    )  # a busy machine must not make one failure look like the other
    settings_env(HTTP_DEADLINE_SECONDS=deadline)
    sandbox.open_slots("91", FORM, count=1)
    sandbox.mode("91", mode)
    item = check(held, sandbox)
    assert (item.outcome, item.slots, item.covered) == (outcome, (), ())
    assert reason in item.reason
    assert 1 <= item.requests <= 6
    assert item.milliseconds < 15_000  # one second or twenty were allowed


def test_an_endless_page_ends_by_its_size_or_by_its_time(
    held: Held, sandbox: "Running", settings_env: Callable[..., None]
) -> None:
    settings_env(HTTP_DEADLINE_SECONDS="1")
    sandbox.mode("91", "endless")
    assert check(held, sandbox).outcome in (Outcome.UNREADABLE, Outcome.UNREACHABLE)


def test_trouble_after_a_slot_was_proven_takes_nothing_back(held: Held, sandbox: "Running") -> None:
    sandbox.open_slots("91", FORM, count=2)
    sandbox.mode("91", "calendar_broken")
    item = check(held, sandbox)
    assert item.outcome is Outcome.SLOTS
    assert [slot.moment for slot in item.slots] == [None]


def test_a_site_that_gets_well_is_proven_again(
    held: Held, sandbox: "Running", settings_env: Callable[..., None]
) -> None:
    sandbox.mode("91", "hang_forever", count=1)
    settings_env(HTTP_DEADLINE_SECONDS="1")
    assert check(held, sandbox).outcome is Outcome.UNREACHABLE
    settings_env(HTTP_DEADLINE_SECONDS="20")
    assert check(held, sandbox).outcome is Outcome.NO_SLOTS
