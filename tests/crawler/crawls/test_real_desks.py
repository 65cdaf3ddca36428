"""The shipped desk files against stand-ins that answer under their hosts' names: what the fleet is measured with."""

from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import pytest

from configs.desk import Desk
from configs.outcome import Outcome
from configs.prefecture import desks
from configs.settings import PREFECTURES
from crawler.scheduling.desk_budgets import captcha_expected
from deploy.bench.real_desks import open_slots, settings_for
from deploy.sandbox.running import Running, running
from tests.crawler.held import Held


@pytest.fixture(scope="module")
def stand_ins() -> Iterator[Running]:
    with running(any_form=True) as made:
        yield made


@pytest.fixture
def watched(settings_env: Callable[..., None], held: Held, stand_ins: Running) -> list[Desk]:
    """Return the desks that are scheduled where a token is there, each asked at its stand-in."""
    settings_env(PREFECTURES_DIR=PREFECTURES, ANTS_TOKEN="any", HTTP_DEADLINE_SECONDS=20)
    found = [desk for desk in desks().values() if desk.schedulable]
    settings_env(**settings_for(found, port(stand_ins)), ANTS_TOKEN="any", HTTP_DEADLINE_SECONDS=20)
    return found


def port(stand_ins: Running) -> int:
    return urlsplit(stand_ins.site("91")).port or 0


def test_each_host_answers_as_its_platform_does(held: Held, stand_ins: Running, watched: list[Desk]) -> None:
    one_of_each = {(desk.host, desk.platform): desk for desk in watched}.values()
    assert {desk.platform for desk in one_of_each} >= {"ants", "ezbooking", "rdvpref"}
    for desk in one_of_each:
        expected = Outcome.CAPTCHA if captcha_expected(desk) else Outcome.NO_SLOTS
        assert held.check(desk).outcome is expected, desk.id


def test_forms_that_were_made_up_show_the_slots_that_are_opened(
    held: Held, stand_ins: Running, watched: list[Desk]
) -> None:
    corsica = next(desk for desk in watched if desk.parameters.get("department_code") == "2A")
    assert held.check(corsica).outcome is Outcome.NO_SLOTS
    open_slots(port(stand_ins), one_in=1, slots=2)
    assert len(held.check(corsica).slots) == 2
