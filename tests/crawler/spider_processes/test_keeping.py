"""Spiders under a keeper as real processes: whatever is killed, the desks go on being checked, none by two at once."""

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest
import redis

from deploy.local.processes import free_port
from tests.crawler.house import House, a_house, all_checked_anew, checked_by, overlaps
from tests.waiting import until

if TYPE_CHECKING:
    from deploy.sandbox.running import Running

pytestmark = [pytest.mark.journey, pytest.mark.processes, pytest.mark.timeout(1200)]
HOLD = 5  # seconds: deadline and margin


@pytest.fixture
def house(
    sandbox: "Running",
    database: str,
    redis_server: redis.Redis,
    tmp_path: Path,
    settings_env: Callable[..., None],
) -> Iterator[House]:
    own = {"STATE_DIR": tmp_path / "state", "SCRAPYD_URL": f"http://127.0.0.1:{free_port()}"}
    with a_house(tmp_path, sandbox, settings_env, LOG_FORMAT="json", **own) as made:
        yield made
    assert overlaps() == []


def test_a_spider_that_is_old_ends_in_order_and_another_serves(
    house: House, settings_env: Callable[..., None]
) -> None:
    settings_env(SPIDER_AGE_SECONDS="15")
    house.open()
    old = until(house.serving)
    another_serves(house, old.name)
    all_checked_anew()
    until(lambda: not psutil.pid_exists(old.pid))
    new = until(house.serving)
    gap = checked_by(new.name)[0].started_at - checked_by(old.name)[-1].started_at
    sys.stderr.write(f"from the last check of the old to the first of the new: {gap.total_seconds():.3f} s\n")
    log = house.log("scrapyd")
    assert "closespider_timeout" in log
    assert "Traceback" not in log + house.log("planner")
    assert "could not be recorded" not in log


def test_a_spider_that_hangs_is_killed_and_another_serves(
    house: House, settings_env: Callable[..., None]
) -> None:
    settings_env(SILENT_SECONDS="5")
    house.open()
    old = until(house.serving)
    all_checked_anew()
    os.kill(old.pid, signal.SIGSTOP)
    another_serves(house, old.name)
    all_checked_anew()
    assert not psutil.pid_exists(old.pid)
    assert "has said nothing for" in house.log("planner")


@pytest.mark.rule("3.5")
def test_whoever_is_killed_the_desks_are_checked_again_and_none_by_two_at_once(
    house: House, sandbox: "Running", redis_server: redis.Redis
) -> None:
    house.open()
    all_checked_anew()
    kill_a_spider_in_the_middle_of_a_check(house, sandbox)
    kill_the_planner(house)
    for number in (signal.SIGKILL, signal.SIGTERM):
        kill_scrapyd(house, number)
    spider = until(house.serving)
    redis_server.flushdb()
    all_checked_anew()
    assert until(house.serving).name == spider.name
    assert "Traceback" not in house.log("scrapyd") + house.log("planner")


def kill_a_spider_in_the_middle_of_a_check(house: House, sandbox: "Running") -> None:
    sandbox.mode("77", "hang_forever")
    before = len(sandbox.requests("77"))
    until(lambda: len(sandbox.requests("77")) > before)
    asked, begun, old = len(sandbox.requests("77")), time.monotonic(), until(house.serving)
    os.kill(old.pid, signal.SIGKILL)
    sandbox.mode("77", "normal")
    until(lambda: len(sandbox.requests("77")) > asked)
    # As far as others know, the holder of a desk may still be asking.
    assert time.monotonic() - begun > HOLD - 1
    another_serves(house, old.name)
    all_checked_anew()


def kill_the_planner(house: House) -> None:
    """Spiders do not notice, and the next planner finds them."""
    spider, planner = until(house.serving), house.kill("planner", signal.SIGKILL)
    until(lambda: house.pid("planner") != planner)
    all_checked_anew()
    assert until(house.serving).name == spider.name
    os.kill(spider.pid, signal.SIGKILL)
    another_serves(house, spider.name)
    all_checked_anew()


def kill_scrapyd(house: House, number: signal.Signals) -> None:
    """Its spiders are orphans then, whom no new scrapyd knows."""
    words = "claims no more: its parent process died"
    old, said = until(house.serving), house.log("scrapyd").count(words)
    house.kill("scrapyd", number)
    until(lambda: not psutil.pid_exists(old.pid))
    another_serves(house, old.name)
    all_checked_anew()
    assert house.log("scrapyd").count(words) == said + 1


def another_serves(house: House, name: str) -> None:
    until(lambda: (found := house.serving()) and found.name != name)
