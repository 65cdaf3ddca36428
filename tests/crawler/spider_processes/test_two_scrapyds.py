"""Two machines as real processes: a planner and two scrapyds on loopback, one of which dies and comes back."""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import redis

from configs.ground.clock import clock
from crawler.keeper import SEEN
from deploy.local.processes import free_port
from tests.crawler.house import SHORT, SYSTEM, House, all_checked_anew, checks, hasty_desks, overlaps
from tests.waiting import until

if TYPE_CHECKING:
    from deploy.sandbox.running import Running

pytestmark = [pytest.mark.journey, pytest.mark.processes, pytest.mark.timeout(1200)]


@pytest.fixture
def machines(
    sandbox: "Running",
    database: str,
    redis_server: redis.Redis,
    tmp_path: Path,
    settings_env: Callable[..., None],
) -> Iterator[tuple[House, House]]:
    addresses = [f"http://127.0.0.1:{free_port()}" for _ in range(2)]
    settings_env(
        **SHORT,
        LOG_FORMAT="json",
        PREFECTURES_DIR=hasty_desks(sandbox, tmp_path / "prefectures"),
        SCRAPYD_URLS=",".join(addresses),
    )
    made = []
    for name, address in zip("ab", addresses, strict=True):
        (tmp_path / name).mkdir()
        own = {"STATE_DIR": str(tmp_path / name / "state"), "SCRAPYD_URL": address}
        made.append(House(tmp_path / name, own))
    first, second = made
    try:
        yield first, second
    finally:
        second.close()
        first.close()
    assert overlaps() == []


def seen(server: redis.Redis) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(server.get(SEEN) or "{}")
    return found


def test_two_machines_check_all_desks_and_one_alone_does_so_too(
    machines: tuple[House, House], redis_server: redis.Redis
) -> None:
    first, second = machines
    first.open("planner", "scrapyd")
    second.open("scrapyd")
    until(lambda: [each.state for each in first.spiders()] == ["serving"] * 2)
    assert seen(redis_server)["wanted"] == {SYSTEM: 2}
    all_checked_anew()
    begun = clock()
    until(lambda: len(Counter(each.process for each in checks() if each.started_at > begun)) == 2)
    second.close()
    all_checked_anew()
    until(lambda: len(seen(redis_server).get("away", [])) == 1)
    assert seen(redis_server)["running"] == {SYSTEM: 1}
    all_checked_anew()
    second.open("scrapyd")
    until(lambda: [each.state for each in first.spiders()] == ["serving"] * 2)
    until(lambda: "away" not in seen(redis_server))
    all_checked_anew()
    assert "Traceback" not in first.log("planner") + first.log("scrapyd")
