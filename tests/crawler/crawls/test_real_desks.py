"""The shipped desk files against stand-ins that answer under their hosts' names."""

from collections.abc import Callable, Collection, Iterator
from itertools import cycle
from urllib.parse import urlsplit

import pytest

from configs.settings.groups import PREFECTURES
from configs.world.desk import Desk, Outcome
from configs.world.prefecture import desks
from crawler.platforms import platform
from crawler.scheduling.intervals import captcha_expected
from crawler.visit_state import visit_of
from deploy.sandbox.platforms import stand_ins as list_stand_ins
from tests.crawler.held import Held
from tests.running_sandbox import Running, running


@pytest.fixture(scope="module")
def stand_ins() -> Iterator[Running]:
    with running(any_form=True) as made:
        yield made


@pytest.fixture
def watched(settings_env: Callable[..., None], held: Held, stand_ins: Running) -> list[Desk]:
    """Return the desks that are scheduled where a token is there, each asked at its stand-in."""
    settings_env(PREFECTURES_DIR=PREFECTURES, ANTS_TOKEN="any", HTTP_DEADLINE_SECONDS=20)
    found = [desk for desk in desks().values() if desk.schedulable]
    settings_env(
        PREFECTURES_DIR=PREFECTURES,
        **settings_for(found, port(stand_ins)),
        ANTS_TOKEN="any",
        HTTP_DEADLINE_SECONDS=20,
    )
    return found


def settings_for(desks: Collection[Desk], port: int) -> dict[str, str]:
    """Return the setting by which each desk's host, of pages and first asked, is a stand-in of its platform in turn."""
    platforms = {name for name, _ in list_stand_ins().values()}
    sites = {
        name: cycle([site.host for each, site in list_stand_ins().values() if each == name])
        for name in platforms
    }
    found: dict[str, str] = {}
    for desk in desks:
        asked = platform(desk.platform).first_request(visit_of(desk)).url
        names = [urlsplit(each).hostname or "" for each in (desk.url, asked)]
        if not set(names) <= set(found):
            found |= dict.fromkeys(names, next(sites[desk.platform]))
    return {
        "SANDBOX_HOSTS": ",".join(f"{real}={stand_in}:{port}" for real, stand_in in sorted(found.items()))
    }


def port(stand_ins: Running) -> int:
    return urlsplit(stand_ins.site("91")).port or 0


def test_each_host_answers_as_its_platform_does(held: Held, stand_ins: Running, watched: list[Desk]) -> None:
    one_of_each = {(desk.host, desk.platform): desk for desk in watched}.values()
    assert {desk.platform for desk in one_of_each} >= {"ants", "ezbooking", "rdvpref"}
    for desk in one_of_each:
        expected = Outcome.CAPTCHA if captcha_expected(desk) else Outcome.NO_SLOTS
        assert held.check(desk).outcome is expected, desk.id
