"""The wizard's own: what it refuses besides the order of its steps, and that a slot which is taken is counted."""

from collections.abc import Callable
from typing import Any

import pytest

from deploy.sandbox.running import Running

Visit = Callable[[str | int], Any]
FIRST_STEP = "/booking/create/48803/0"
WEEK = "/ezjscore/call/bookingserver::planning::assign::48803::48804::0"


@pytest.fixture
def visitor(visit: Visit) -> Any:
    """Give a visitor who accepted the conditions."""
    made = visit(77)
    made.get(FIRST_STEP)
    made.send(FIRST_STEP, condition="on", nextButton="x")
    return made


def test_the_calendar_wants_a_user_agent(visitor: Any) -> None:
    assert visitor.get(WEEK, User_Agent="").status == 403
    assert visitor.get(WEEK).status == 200


def test_step_5_takes_the_slot_and_is_counted(visit: Visit, sandbox: Running) -> None:
    (slot,) = sandbox.open_slots(77, 48803)
    answer = visit(77).get(f"/booking/create/48803/5/{int(slot.timestamp())}")
    assert "Plage horaire retenue" in answer.text
    assert sandbox.reservations(77) == 1
    assert sandbox.take_slots(77, 48803) == []


def test_the_button_of_step_4_takes_the_first_slot_and_is_counted(visitor: Any, sandbox: Running) -> None:
    first, second = sandbox.open_slots(77, 48803, count=2)
    visitor.send("/booking/create/48803/3", nextButton="Etape suivante")
    visitor.send("/booking/create/48803/4", nextButton="Première plage horaire libre")
    assert sandbox.reservations(77) == 1
    assert sandbox.take_slots(77, 48803) == [max(first, second)]
