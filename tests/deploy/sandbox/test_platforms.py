"""The stand-in platforms: found by being there, each with what the sandbox asks of it."""

from collections.abc import Callable
from typing import Any

import pytest
from aiohttp.test_utils import make_mocked_request

from deploy.sandbox.modes import MODES
from deploy.sandbox.platforms import platforms, stand_ins
from deploy.sandbox.running import Running
from tests.in_turn import in_turn

NAMES = sorted(platforms())


@in_turn("code", list(stand_ins()))
def test_each_form_has_a_page_that_is_about_it(code: str, visit: Any, sandbox: Running) -> None:
    name, site = stand_ins()[code]
    for form in site.forms:
        path = platforms()[name].page(form)
        assert visit(code).get(path).status in (200, 302)
        assert platforms()[name].form_asked(make_mocked_request("GET", path)) == form.number
    assert sandbox.reservations(code) == 0


@in_turn("name", NAMES)
def test_what_it_adds_to_the_modes_has_a_french_name_and_its_own_answers_a_mode(name: str) -> None:
    platform = platforms()[name]
    assert set(platform.mode_names) == set(platform.modes)
    assert not set(platform.modes) & set(MODES)
    assert set(platform.instead) <= {*platform.modes, *MODES}


@in_turn("code", list(stand_ins()))
def test_every_site_shows_its_state_is_reset_and_misbehaves_by_form(
    code: str, visit: Any, sandbox: Running
) -> None:
    name, site = stand_ins()[code]
    form, visitor = site.forms[0], visit(code)
    sandbox.open_slots(code, form.number)
    sandbox.mode(code, "block", form=form.number)
    assert visitor.get(platforms()[name].page(form)).status == 403
    assert sandbox.requests(code)
    state = visitor.get("/_control").json
    assert (state["platform"], state["name"], state["forms"][0]["mode"]) == (name, site.name, "block")
    assert len(state["forms"][0]["plannings"][0]["slots"]) == 1
    after = visitor.post("/_control/reset").json
    assert (after["counters"]["requests"], after["forms"][0]["plannings"][0]["slots"]) == (0, [])
    assert (sandbox.requests(code), after["forms"][0]["mode"]) == ([], "normal")


# The wizard's own

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
