"""Status of the nodes."""

from datetime import timedelta
from typing import Any

import pytest
import redis

from configs.clock import clock
from configs.node_report import NodeReport, NodeStatus, publish_node, read_nodes
from deploy.status.nodes import lines


def make_report(**changes: Any) -> NodeReport:
    said: dict[str, Any] = {
        "name": "b", "machine": "m", "at": clock(), "version": "0123456789ab", "queues": ["ants"], "cores": 4,
        "load": 1.25, "memory_mb": 8000, "memory_free_mb": 5000, "browser": True,
    }  # fmt: skip
    return NodeReport(**(said | changes))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"running": {"ants": 1}}, "b ants 1, load 1.2 on 4, 5.0 of 8.0 GB free version 01234567"),
        (
            {"browser": False},
            "b runs nothing, load 1.2 on 4, 5.0 of 8.0 GB free no browser, version 01234567",
        ),
        (
            {"away_since": clock(), "spool": 3},
            "b scrapyd is down runs nothing, load 1.2 on 4, 5.0 of 8.0 GB free, 3 proofs on the way version 01234567",
        ),
    ],
)
def test_a_node_says_what_it_runs_and_what_it_has(changes: dict[str, Any], said: str) -> None:
    assert [line.plain for line in lines([NodeStatus("b", clock(), make_report(**changes))])] == [said]


def test_a_node_that_is_gone_is_shown_for_a_day(redis_server: redis.Redis) -> None:
    ago = clock() - timedelta(minutes=3)
    publish_node(redis_server, make_report(at=ago))
    assert 0 < redis_server.pttl("node:b") <= 15_000
    assert read_nodes(redis_server, clock()) == [NodeStatus("b", ago, make_report(at=ago))]
    redis_server.set("node:b", "other code wrote it")
    assert [line.plain for line in lines(read_nodes(redis_server, clock()))] == ["b gone for 3 min"]
    redis_server.delete("node:b")
    assert [line.plain for line in lines(read_nodes(redis_server, clock()))] == ["b gone for 3 min"]
    assert read_nodes(redis_server, clock() + timedelta(days=1)) == []
    assert [line.plain for line in lines([])] == ["none reports: is `scrapy keep` running?"]
