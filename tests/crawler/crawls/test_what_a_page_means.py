"""Meaning of a page's age and its dates, by a real crawl against a server on loopback."""

from datetime import UTC, datetime, timedelta

import pytest

from configs.world.outcome import Outcome
from crawler.items import CheckItem
from tests.crawler.held import Held, make_desk
from tests.crawler.wire import answer, wire
from tests.in_turn import in_turn

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
