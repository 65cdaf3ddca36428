"""The stand-in platforms: found by being there, each with what the sandbox asks of it."""

from dataclasses import replace
from typing import Any

import pytest
from aiohttp.test_utils import make_mocked_request

from deploy.sandbox import platforms as folder
from deploy.sandbox.addresses import department_host, platform_host
from deploy.sandbox.modes import MODES
from deploy.sandbox.platform import Form, Planning, StandIn, StandInPlatform
from deploy.sandbox.platforms import platforms, stand_ins
from deploy.sandbox.running import Running

NAMES = sorted(platforms())
ONE = StandIn("one", "Un", "à Un", "Un", "127.77.1.200", (Form(1, "Titre", (Planning(2, "Guichet"),)),))


@pytest.mark.parametrize("code", list(stand_ins()))
def test_each_form_has_a_page_that_is_about_it(code: str, visit: Any, sandbox: Running) -> None:
    name, site = stand_ins()[code]
    for form in site.forms:
        path = platforms()[name].page(form)
        assert visit(code).get(path).status in (200, 302)
        assert platforms()[name].form_asked(make_mocked_request("GET", path)) == form.number
    assert sandbox.reservations(code) == 0


@pytest.mark.parametrize("name", NAMES)
def test_what_it_adds_to_the_modes_has_a_french_name_and_its_own_answers_a_mode(name: str) -> None:
    platform = platforms()[name]
    assert set(platform.mode_names) == set(platform.modes)
    assert not set(platform.modes) & set(MODES)
    assert set(platform.instead) <= {*platform.modes, *MODES}


@pytest.mark.parametrize("code", list(stand_ins()))
def test_every_site_shows_its_state_is_reset_and_misbehaves_by_form(
    code: str, visit: Any, sandbox: Running
) -> None:
    name, site = stand_ins()[code]
    form, visitor = site.forms[0], visit(code)
    sandbox.open_slots(code, form.number)
    sandbox.mode(code, "block", form=form.number)
    assert visitor.get(platforms()[name].page(form)).status == 403
    state = visitor.get("/_control").json
    assert (state["platform"], state["name"], state["forms"][0]["mode"]) == (name, site.name, "block")
    assert len(state["forms"][0]["plannings"][0]["slots"]) == 1
    after = visitor.post("/_control/reset").json
    assert (after["counters"]["requests"], after["forms"][0]["plannings"][0]["slots"]) == (0, [])


def test_a_department_has_its_own_address_and_a_platform_one_of_its_system() -> None:
    assert department_host("91") == "127.77.0.91"
    assert [platform_host(system, 7) for system in ("prefenligne", "doctolib")] == [
        "127.77.1.7",
        "127.77.4.7",
    ]


@pytest.mark.parametrize(
    ("other", "words"),
    [
        (replace(ONE, host="127.77.1.201", forms=()), "two stand-ins have the code one"),
        (replace(ONE, code="two", forms=()), "two stand-ins have the address 127.77.1.200"),
        (replace(ONE, code="two", host="127.77.1.201"), "two stand-ins have the form 1"),
    ],
)
def test_what_two_stand_ins_share_is_said(
    monkeypatch: pytest.MonkeyPatch, other: StandIn, words: str
) -> None:
    played = StandInPlatform(lambda _app, _site: None, (ONE, other))
    monkeypatch.setattr(folder, "platforms", lambda: {"played": played})
    with pytest.raises(ValueError, match=words):
        stand_ins.__wrapped__()
