"""rdvpref by a real crawl against its stand-in."""

from datetime import timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from configs.ground.clock import clock
from configs.world.outcome import Outcome
from crawler.items import CheckItem
from tests.crawler.held import Held, make_desk

if TYPE_CHECKING:
    from deploy.sandbox.running import Running

PARIS = ZoneInfo("Europe/Paris")
SITE, FORM = "rdvpref", 991092
PAGE = f"/rdvpref/reservation/demarche/{FORM}/"


def check(held: Held, sandbox: "Running", page: str = PAGE) -> CheckItem:
    desk = make_desk(f"{sandbox.site(SITE)}{page}", platform="rdvpref", watch="presence")
    item = held.check(desk)
    assert isinstance(item, CheckItem)
    return item


def asked(sandbox: "Running") -> list[tuple[str, str]]:
    return [(seen.method, seen.path) for seen in sandbox.requests(SITE)]


def test_a_check_ends_at_the_captcha_and_sends_nothing(_held: Held, sandbox: "Running") -> None:  # noqa: PT019
    sandbox.open_slots(SITE, FORM, count=3)
    item = check(_held, sandbox)
    assert (item.outcome, item.slots, item.covered, item.requests) == (Outcome.CAPTCHA, (), (), 2)
    assert asked(sandbox) == [("GET", PAGE), ("GET", f"{PAGE}cgu/")]


def test_where_no_captcha_stands_the_hours_are_read(_held: Held, sandbox: "Running") -> None:  # noqa: PT019
    sandbox.mode(SITE, "without_captcha")
    soon = clock().replace(minute=30, second=0, microsecond=0) + timedelta(days=2)
    opened = sandbox.open_slots(SITE, FORM, at=[soon, soon + timedelta(days=1)])
    item = check(_held, sandbox)
    assert item.outcome is Outcome.SLOTS
    assert sorted(slot.starts_at for slot in item.slots if slot.starts_at) == opened
    sandbox.take_slots(SITE, FORM)
    later = soon + timedelta(days=20)
    sandbox.open_slots(SITE, FORM, at=[later])
    assert [slot.moment_text for slot in check(_held, sandbox).slots] == [
        f"{later.astimezone(PARIS):%Y-%m-%d}"
    ]
    assert {method for method, _ in asked(sandbox)} == {"GET"}
    assert sandbox.reservations(SITE) == 0
