"""Two nodes as real processes: two scrapyds and two keepers on loopback. One is drained, comes back, and dies."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import redis

from configs.clock import clock
from configs.node_report import NodeStatus, read_nodes
from configs.prefecture import desks
from deploy.local.processes import free_port
from tests.crawler.house import SHORT, SYSTEM, House, checks, hasty_desks, overlaps
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
    settings_env(
        **SHORT,
        LOG_FORMAT="json",
        SPIDER_PROCESSES="2",
        PREFECTURES_DIR=hasty_desks(sandbox, tmp_path / "prefectures"),
    )
    made = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        own = {
            "NODE": name,
            "STATE_DIR": str(tmp_path / name / "state"),
            "SCRAPYD_URL": f"http://127.0.0.1:{free_port()}",
        }
        made.append(House(tmp_path / name, own))
    first, second = made
    try:
        yield first, second
    finally:
        second.close()
        first.close()
    assert overlaps() == []


def read_node(server: redis.Redis, name: str) -> NodeStatus:
    return next(each for each in read_nodes(server, clock()) if each.name == name)


def runs(server: redis.Redis, name: str) -> int | None:
    """Return how many spiders a node reports; None where it does not report."""
    report = read_node(server, name).report
    return report.running.get(SYSTEM, 0) if report else None


def all_checked_again() -> None:
    """Wait until every desk was checked after this moment."""
    now = clock()
    until(lambda: desks().keys() == {each.desk_id for each in checks() if each.started_at > now})


def test_two_nodes_share_the_spiders_and_a_dead_ones_share_moves(
    machines: tuple[House, House], redis_server: redis.Redis
) -> None:
    first, second = machines
    first.open("planner", "scrapyd", "keeper")
    second.open("scrapyd", "keeper")
    until(lambda: [each.state for each in first.spiders()] == ["serving"] * 2)
    until(lambda: (runs(redis_server, "a"), runs(redis_server, "b")) == (1, 1))
    all_checked_again()
    first.run("nodes", "--drain", "b", "--reason", "new disk")
    until(lambda: (runs(redis_server, "a"), runs(redis_server, "b")) == (2, 0))
    assert read_node(redis_server, "b").drained
    all_checked_again()
    first.run("nodes", "--go", "b")
    until(lambda: (runs(redis_server, "a"), runs(redis_server, "b")) == (1, 1))
    second.close()
    until(lambda: (runs(redis_server, "a"), runs(redis_server, "b")) == (2, None))
    until(lambda: [each.state for each in first.spiders()] == ["serving"] * 2)
    all_checked_again()
