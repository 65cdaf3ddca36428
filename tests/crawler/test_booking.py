"""The check of a desk, apart from its pages."""

import asyncio
import math
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import TYPE_CHECKING, Any

import pytest

from configs.world.desk import Outcome
from crawler.fetching.request_budget import RequestBudget
from crawler.fetching.session import Session
from crawler.items import CheckItem
from crawler.platforms import platform
from crawler.scheduling.intervals import visit_limit
from tests.crawler.held import Held, make_desk
from tests.crawler.wire import answer, wire
from tests.in_turn import in_turn

if TYPE_CHECKING:
    from tests.running_sandbox import Running


def broken(*_: Any) -> Any:
    raise KeyError("a reader's bug")


@pytest.mark.rule("3.1")
@pytest.mark.parametrize("part", ["read_page", "first_request", "is_forbidden"])
def test_an_exception_in_a_platform_ends_in_one_outcome(
    held: Held, monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    monkeypatch.setattr(platform("ezbooking"), part, broken)
    with wire(answer(b"<html>")) as site:
        item = held.check(make_desk(f"{site.address}/booking/create/1"))
    assert (item.outcome, item.slots) == (Outcome.UNREADABLE, ())
    assert "KeyError" in item.reason
    assert "a reader's bug" in item.reason


def test_slots_that_were_seen_before_a_fault_are_kept(
    held: Held, sandbox: "Running", monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of five plannings the first is open; the fault comes at the sixth page."""
    sandbox.open_slots("91", 23014, count=1)
    fetch, pages = Session.fetch, []

    async def failing(session: Session, *arguments: Any) -> Any:
        pages.append(arguments)
        return broken() if len(pages) == 6 else await fetch(session, *arguments)

    monkeypatch.setattr(Session, "fetch", failing)
    item = held.check(make_desk(f"{sandbox.site('91')}/booking/create/23014"), token=0)
    assert item.outcome is Outcome.SLOTS
    assert item.error
    assert "KeyError" in item.error


def test_pauses_between_steps_do_not_use_up_the_sites_time(
    held: Held, sandbox: "Running", settings_env: Callable[..., None]
) -> None:
    settings_env(STAND_IN_GAP_SECONDS="0.6", HTTP_DEADLINE_SECONDS="2")
    began = monotonic()
    item = held.check(make_desk(f"{sandbox.site('91')}/booking/create/23014"))
    assert item.outcome is Outcome.NO_SLOTS
    assert monotonic() - began > 2
    assert item.milliseconds < 2000


@pytest.mark.rule("3.9", "4.3")
def test_a_visit_that_runs_out_of_requests_ends_with_what_it_covered(held: Held, sandbox: "Running") -> None:
    item = held.check(make_desk(f"{sandbox.site('91')}/booking/create/23014"), budget=RequestBudget(7))
    assert item.outcome is Outcome.NO_SLOTS
    assert item.requests == 7
    assert len(item.covered) == 2
    assert sorted(item.places) == ["23018", "23198", "23199", "23200", "23201"]
    assert "left unasked" in item.reason


@pytest.mark.rule("3.9")
def test_a_real_host_is_asked_no_more_than_a_minutes_budget_in_one_visit() -> None:
    assert visit_limit(make_desk("https://www.essonne.gouv.fr/booking/create/23014")) == 6
    assert visit_limit(make_desk("http://127.77.0.91:8800/booking/create/23014")) == math.inf


def test_checks_of_one_site_at_once_keep_their_sessions_apart(
    held: Held, sandbox: "Running", settings_env: Callable[..., None]
) -> None:
    settings_env(HTTP_DEADLINE_SECONDS="20")  # a busy machine
    desk = make_desk(f"{sandbox.site('91')}/booking/create/23014")

    async def both() -> list[Any]:
        return list(await asyncio.gather(*(held.spider.check(desk, token) for token in range(5))))

    items = held.run(both())
    assert {item.outcome for item in items} == {Outcome.NO_SLOTS}
    assert [item.token for item in items] == [0, 1, 2, 3, 4]
    assert len({item.requests for item in items}) == 1


@pytest.mark.rule("3.7")
def test_hanging_sites_do_not_hold_up_others(
    held: Held, sandbox: "Running", settings_env: Callable[..., None]
) -> None:
    settings_env(HTTP_DEADLINE_SECONDS="2")
    sandbox.mode("93", "hang_forever")
    slow = [make_desk(f"{sandbox.site('93')}/booking/create/9845") for _ in range(20)]
    quick = make_desk(f"{sandbox.site('91')}/booking/create/23014")

    async def all_at_once() -> tuple[Any, Any]:
        hanging = [asyncio.create_task(held.spider.check(desk, 1)) for desk in slow]
        await asyncio.sleep(0)
        ended = await held.spider.check(quick, 2)
        assert not any(each.done() for each in hanging)
        return ended, await asyncio.gather(*hanging)

    ended, hung = held.run(all_at_once())
    assert ended.outcome is Outcome.NO_SLOTS
    assert {item.outcome for item in hung} == {Outcome.UNREACHABLE}


# Meaning of a page's age and its dates, by a real crawl against a server on loopback.


RULES = {"available": "a.libre", "date": ".", "no_slot_text": "Aucun rendez-vous"}
NONE = "<p>Aucun rendez-vous.</p>"


def check(held: Held, content: str, interval: int = 60, **headers: str) -> CheckItem:
    body = f"<!DOCTYPE html><html><head><meta charset='utf-8'></head><body>{content}</body></html>".encode()
    with wire(answer(body, **headers)) as site:
        desk = make_desk(f"{site.address}/rdv", platform="selectors", parameters=RULES, interval=interval)
        return held.check(desk)


def free(ahead: int) -> str:
    day = datetime.now(UTC) + timedelta(days=ahead)
    return f"<a class='libre' href='/1'>{day:%d/%m/%Y} à 9h30</a>"


@pytest.mark.rule("3.2")
@in_turn(
    "age, interval, believed",
    [
        ("0", 60, True),
        ("600", 60, True),
        ("601", 60, False),
        ("900", 200, True),
        ("1001", 200, False),
        ("0, 86400", 60, False),
        ("old", 60, True),
    ],
)
def test_what_a_cache_kept_for_too_long_opens_closes_and_covers_nothing(
    held: Held, *, age: str, interval: int, believed: bool
) -> None:
    for content, outcome in ((NONE, Outcome.NO_SLOTS), (free(5), Outcome.SLOTS)):
        item = check(held, content, interval, Age=age)
        assert item.outcome is (outcome if believed else Outcome.UNREADABLE)
        assert bool(item.covered) is believed
        assert bool(item.slots) is (believed and outcome is Outcome.SLOTS)
