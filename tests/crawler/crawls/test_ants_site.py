"""ANTS by a real crawl against its stand-in: the list and the socket, well and unwell."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from configs.world.desk import Outcome
from crawler.fetching.request_budget import RequestBudget
from crawler.items import CheckItem
from tests.crawler.held import Held, make_desk
from tests.in_turn import in_turn

if TYPE_CHECKING:
    from tests.running_sandbox import Running

ESSONNE, REUNION = 880091, 880974
SOCKET: dict[str, Any] = {"department_code": "91"}
LIST: dict[str, Any] = {"streaming": False, "positions": [{"longitude": 2.43, "latitude": 48.62}]}
BOTH = pytest.mark.parametrize("by", [SOCKET, LIST], ids=["socket", "list"])


@pytest.fixture(autouse=True)
def _token(settings_env: Callable[..., None], held: Held) -> None:
    settings_env(ANTS_TOKEN="tests-token", HTTP_DEADLINE_SECONDS=20)


def check(held: Held, sandbox: "Running", by: dict[str, Any], **desk: Any) -> CheckItem:
    return held.check(make_desk(f"{sandbox.site('ants')}/", platform="ants", parameters=by, **desk))


@BOTH
def test_slots_are_those_that_are_open_whatever_their_z_says(
    held: Held, sandbox: "Running", by: dict[str, Any]
) -> None:
    halls = ("mairie", "mairie annexe des pyramides", "mairie de quartier")
    opened = {
        (f"{name} / 91000 / evry-courcouronnes", at)
        for hall, name in enumerate(halls, 1)
        for at in sandbox.open_slots("ants", ESSONNE, count=2, planning=10 * ESSONNE + hall)
    }
    sandbox.open_slots("ants", REUNION, count=1)
    item = check(held, sandbox, by)
    assert (item.outcome, item.requests, item.error) == (Outcome.SLOTS, 1, None)
    assert {(slot.place.key, slot.starts_at) for slot in item.slots} == opened
    assert {slot.place.label for slot in item.slots} >= {"Mairie annexe des Pyramides, EVRY-COURCOURONNES"}
    assert all((slot.url or "").startswith(sandbox.site("ants")) for slot in item.slots)
    assert sandbox.reservations("ants") == 0


def test_overseas_the_clock_is_the_one_there(held: Held, sandbox: "Running") -> None:
    at = datetime(2027, 1, 12, 5, 30, tzinfo=UTC)
    at = at.replace(year=datetime.now(UTC).year + 1)
    sandbox.open_slots("ants", REUNION, at=[at])
    by = {"department_code": "974"}
    item = check(held, sandbox, by, time_zone="Indian/Reunion", horizon=730)
    assert [slot.moment for slot in item.slots] == [at]


@in_turn(
    "mode, outcome, said",
    [
        ("bare_end", Outcome.RATE_LIMITED, "bare end_of_search"),
        ("no_end", Outcome.UNREADABLE, "did not end"),
        ("editors_fail", Outcome.OVERLOADED, "editors failed: 3 of 7"),
    ],
)
def test_how_a_search_by_socket_may_end(
    held: Held, sandbox: "Running", mode: str, outcome: Outcome, said: str
) -> None:
    sandbox.reset()
    sandbox.mode("ants", mode)
    item = check(held, sandbox, SOCKET)
    assert (item.outcome, item.covered) == (outcome, ())
    assert said in item.reason


@BOTH
def test_without_the_token_the_site_refuses(
    held: Held, sandbox: "Running", by: dict[str, Any], settings_env: Callable[..., None]
) -> None:
    settings_env(ANTS_TOKEN="")
    item = check(held, sandbox, by)
    assert (item.outcome, item.refused) == (Outcome.BLOCKED, False)
    assert "401" in item.reason


def test_a_visit_that_may_ask_nothing_more_opens_no_socket(held: Held, sandbox: "Running") -> None:
    desk = make_desk(f"{sandbox.site('ants')}/", platform="ants", parameters=SOCKET)
    item = held.check(desk, budget=RequestBudget(0))
    assert (item.outcome, item.requests, sandbox.requests("ants")) == (Outcome.OVERLOADED, 0, [])
