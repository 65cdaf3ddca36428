"""The world plays its script on the sites, and leaves alone what a person has set."""

import asyncio
import random

import pytest

from deploy.sandbox.modes import make_mode
from deploy.sandbox.platforms.ezbooking.departments import DEPARTMENTS
from deploy.sandbox.running import running
from deploy.sandbox.scenario import Event
from deploy.sandbox.sites.site import Site
from deploy.sandbox.world import World


@pytest.fixture
def sites() -> dict[str, Site]:
    return {each.code: Site(each, random.Random(1)) for each in DEPARTMENTS}


def opened(site: Site) -> int:
    return sum(len(site.agenda.slots(planning)) for form in site.about.forms for planning in form.plannings)


def test_what_opens_is_what_goes(sites: dict[str, Site]) -> None:
    world = World(sites, [])
    sites["77"].agenda.open_some(sites["77"].about.forms[0].plannings[0], 2)
    world.apply(Event(0, "open", "77", 48803, 48804, count=3, batch=1))
    assert opened(sites["77"]) == 5
    world.apply(Event(1, "take", "77", 48803, 48804, batch=1))
    assert opened(sites["77"]) == 2
    world.apply(Event(2, "take", "77", 48803, 48804, batch=1))
    assert opened(sites["77"]) == 2


def test_a_bad_moment_comes_and_ends(sites: dict[str, Site]) -> None:
    world, site = World(sites, []), sites["94"]
    world.apply(Event(0, "mode", "94", mode="overload"))
    assert site.modes.site.name == "overload"
    world.apply(Event(9, "mode", "94"))
    assert site.modes.site.name == "normal"


def test_what_a_person_has_set_stays(sites: dict[str, Site]) -> None:
    world, site = World(sites, []), sites["94"]
    site.set_mode(make_mode("captcha", {}))
    world.apply(Event(0, "mode", "94", mode="overload"))
    world.apply(Event(9, "mode", "94"))
    assert site.modes.site.name == "captcha"
    site.set_mode(make_mode("normal", {}))
    world.apply(Event(10, "mode", "94", mode="overload"))
    site.set_mode(make_mode("block", {}))
    world.apply(Event(19, "mode", "94"))
    assert site.modes.site.name == "block"


def test_what_cannot_be_done_is_left_out_and_said(
    sites: dict[str, Site], caplog: pytest.LogCaptureFixture
) -> None:
    World(sites, []).apply(Event(0, "open", "77", 48803, 48804, count=10_000, batch=1))
    assert opened(sites["77"]) == 0
    assert "the world leaves out open at Seine-et-Marne" in caplog.text


def test_the_script_is_played_in_time(sites: dict[str, Site]) -> None:
    events = [
        Event(0.0, "open", "77", 48803, 48804, count=1, batch=1),
        Event(0.05, "open", "78", 990078, 990178, count=1, batch=2),
        Event(60.0, "open", "93", 9845, 9847, count=1, batch=3),
    ]

    async def play() -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(World(sites, events).play(), 0.3)

    asyncio.run(play())
    assert [opened(sites[code]) for code in ("77", "78", "93")] == [1, 1, 0]


def test_a_sandbox_with_a_world_stops_like_any_other() -> None:
    with running(seed=1, world=True) as started:
        assert started.take_slots(91, 23014) == []
