"""The kill switch on real processes: a host is asked nothing more, also in the middle of a visit, others go on."""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import redis

from configs.ground.clock import clock
from tests.crawler.house import House, a_house, checks
from tests.waiting import until

if TYPE_CHECKING:
    from api.models.check import Check
    from deploy.sandbox.running import Running

pytestmark = [pytest.mark.journey, pytest.mark.processes, pytest.mark.timeout(1200)]
DESK, CODE, OTHER = "evry-courcouronnes_91/naturalisation", "91", "77"
SECOND = timedelta(seconds=1)


@pytest.fixture
def house(
    sandbox: "Running",
    database: str,
    redis_server: redis.Redis,
    tmp_path: Path,
    settings_env: Callable[..., None],
) -> Iterator[House]:
    with a_house(tmp_path, sandbox, settings_env, HTTP_DEADLINE_SECONDS="60") as made:
        yield made


def asked_at(sandbox: "Running", code: str) -> list[datetime]:
    return [datetime.fromisoformat(each.at) for each in sandbox.requests(code)]


def visits() -> "list[Check]":
    return [each for each in checks() if each.desk_id == DESK]


@pytest.mark.rule("3.9")
def test_a_visit_ends_within_a_second_and_other_hosts_go_on(house: House, sandbox: "Running") -> None:
    host = sandbox.site(CODE).removeprefix("http://")
    house.open("planner", "spider")
    whole = until(visits)[0].requests
    sandbox.mode(CODE, "hang", seconds=4)  # a visit outlasts the start of a program
    begun = len(asked_at(sandbox, CODE))
    count = len(visits())
    until(lambda: len(visits()) > count or len(asked_at(sandbox, CODE)) > begun + 1)
    said = house.run("hosts", "--stop", host, "--reason", "they wrote to us")
    stopped = clock()
    assert "they wrote to us" in said
    until(lambda: any(at > stopped + 3 * SECOND for at in asked_at(sandbox, OTHER)))
    assert not [at for at in asked_at(sandbox, CODE) if at > stopped + SECOND]
    until(lambda: visits()[-1].requests < whole)  # it was in the middle
    sandbox.mode(CODE, "normal")
    house.run("hosts", "--go", host)
    until(lambda: any(at > stopped + SECOND for at in asked_at(sandbox, CODE)))
