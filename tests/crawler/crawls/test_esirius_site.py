"""eSirius by a real crawl against its stand-in: its session, its motives, its calls."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from configs.world.outcome import Outcome
from crawler.items import CheckItem
from tests.crawler.held import Held, make_desk

if TYPE_CHECKING:
    from deploy.sandbox.running import Running

CODE, FORM, MOTIVES = "esirius", 996101, (996111, 996112)
CALLS = pytest.mark.parametrize("call", ["motives", "availabilities"])


@pytest.fixture(autouse=True)
def _deadline(settings_env: Callable[..., None], held: Held) -> None:
    settings_env(HTTP_DEADLINE_SECONDS=20)


def check(
    held: Held, sandbox: "Running", path: str = f"appointment.do?sitekey=S{FORM}", **parameters: Any
) -> CheckItem:
    url = f"{sandbox.site(CODE)}/eAppointment{FORM}/{path}"
    return held.check(make_desk(url, platform=CODE, parameters=parameters))


def open_one(sandbox: "Running", motive: int) -> None:
    sandbox.open_slots(
        CODE, FORM, at=[datetime.now(UTC).replace(microsecond=0) + timedelta(days=9)], planning=motive
    )


@CALLS
def test_a_motive_with_availabilities_is_open_and_the_other_is_covered(
    held: Held, sandbox: "Running", call: str
) -> None:
    open_one(sandbox, MOTIVES[1])
    item = check(held, sandbox, call=call)
    assert (item.outcome, item.error, item.requests) == (Outcome.SLOTS, None, 4)
    assert [(slot.place.key, slot.place.label, slot.moment) for slot in item.slots] == [
        (str(MOTIVES[1]), "Première demande", None)
    ]
    assert [each.place_key for each in item.covered] == [str(MOTIVES[0])]
    assert sandbox.reservations(CODE) == 0
