"""Status of the nodes."""

from datetime import timedelta
from typing import Any

import redis

from configs.clock import clock
from configs.node_report import NodeReport, NodeStatus, Share, publish_node, read_nodes
from deploy.status.nodes import lines


def node(share: Share | None, *, drained: bool = False, **changes: Any) -> NodeStatus:
    said: dict[str, Any] = {
        "name": "b", "machine": "m", "at": clock(), "version": "0123456789ab", "queues": ["ants"], "cores": 4,
        "load": 1.25, "memory_mb": 8000, "memory_free_mb": 5000, "browser": True,
    }  # fmt: skip
    return NodeStatus("b", clock(), NodeReport(**(said | changes)), share, drained)


def show(*part: NodeStatus) -> list[str]:
    return [line.plain for line in lines(list(part))]


def test_a_node_says_what_it_runs_and_what_it_has() -> None:
    assert show(node({"ants": 1}, running={"ants": 1})) == [
        "b ants 1, load 1.2 on 4, 5.0 of 8.0 GB free version 01234567"
    ]


def test_what_differs_is_said() -> None:
    told = show(
        node({"ants": 1}, running={"custom": 1}, browser=False, spool=3),
        node({}, drained=True),
        node(None, away_since=clock()),
        NodeStatus("c", clock() - timedelta(minutes=3), None, None, drained=False),
    )
    assert told == [
        "b ants 0 of 1, custom 1 of 0, load 1.2 on 4, 5.0 of 8.0 GB free, 3 proofs on the way no browser, version 01234567",
        "b drained runs nothing, load 1.2 on 4, 5.0 of 8.0 GB free version 01234567",
        "b scrapyd is down no share yet, load 1.2 on 4, 5.0 of 8.0 GB free version 01234567",
        "c gone for 3 min",
        "together ants 0 of 1, custom 1 of 0",
    ]
    assert show() == ["none reports: is `scrapy keep` running?"]


def test_a_node_that_is_gone_is_shown_for_a_day(redis_server: redis.Redis) -> None:
    ago = clock() - timedelta(minutes=3)
    report = NodeReport(name="b", machine="m", at=ago, version="0123456789ab", queues=[])
    publish_node(redis_server, report)
    assert 0 < redis_server.pttl("node:b") <= 15_000
    assert read_nodes(redis_server, clock()) == [NodeStatus("b", ago, report, None, drained=False)]
    redis_server.set("node:b", "other code wrote it")
    assert show(*read_nodes(redis_server, clock())) == ["b gone for 3 min"]
    redis_server.delete("node:b")
    assert show(*read_nodes(redis_server, clock())) == ["b gone for 3 min"]
    assert read_nodes(redis_server, clock() + timedelta(days=1)) == []
