"""A desk from due to detected by the real programs: planner, spider, tables, queue, a stand-in's pages."""

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import redis

from api.models.check import Check
from api.models.desk import DeskState
from api.models.slot import Detection, SlotRow
from configs.ground.clock import clock
from configs.world.desk import Desk
from configs.world.outcome import Outcome
from crawler.planner import Planner
from crawler.scheduling import due_queue
from tests.factories import rows
from tests.waiting import PATIENCE, until

if TYPE_CHECKING:
    from deploy.sandbox.running import Running

pytestmark = pytest.mark.processes
ROOT = Path(__file__).parents[2]
FORM = 23014


def scrapy(*arguments: str, **options: Any) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "scrapy", *arguments]
    return subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True, **options)


@contextmanager
def ended(process: "subprocess.Popen[str]") -> Iterator[None]:
    """Leave nothing behind, whatever the test found; pytest shows what it said where the test fails."""
    try:
        yield
    finally:
        if process.poll() is None:
            process.kill()
        sys.stderr.write(process.communicate()[1])


@pytest.fixture
def desk(
    sandbox: "Running",
    database: str,
    redis_server: redis.Redis,
    desk_files: Callable[..., dict[str, Desk]],
    settings_env: Callable[..., None],
) -> Desk:
    host = sandbox.site("91").removeprefix("http://")
    # A spider's peak of memory begins with that of the process that started it, which is ours.
    settings_env(HEARTBEAT_SECONDS="1", APP_ENV="test", SPIDER_MEMORY_MB="9000")
    return desk_files(interval=1, budget=6000, naturalisation=host)["naturalisation"]


def plan() -> None:
    with due_queue.connect() as client:
        assert Planner(client).run_once(clock()) == 1


@pytest.mark.journey
def test_a_slot_that_opens_becomes_one_detection_and_goes_when_it_is_taken(
    sandbox: "Running", desk: Desk
) -> None:
    (opened,) = sandbox.open_slots("91", FORM)
    plan()
    spider = scrapy("crawl", "prefenligne")
    with ended(spider):
        (detection,) = until(lambda: rows(Detection))
        (slot,) = rows(SlotRow)
        assert (detection.desk_id, slot.starts_at) == (desk.id, opened)
        sandbox.take_slots("91", FORM)
        until(lambda: rows(SlotRow)[0].gone_at)
        spider.send_signal(signal.SIGTERM)
        assert spider.wait(PATIENCE) == 0
    assert len(rows(Detection)) == 1
    outcomes = [check.outcome for check in sorted(rows(Check), key=lambda check: check.started_at)]
    assert outcomes[0] is Outcome.SLOTS
    assert Outcome.NO_SLOTS in outcomes
    (state,) = rows(DeskState)
    assert 0 < state.achieved_seconds < 60
    assert sandbox.reservations("91") == 0
