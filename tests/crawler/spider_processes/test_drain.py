"""Draining a node: rows, Redis, and the command."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import redis
import time_machine
from scrapy.cmdline import execute

from configs.clock import clock
from configs.node_report import NodeReport, publish_drained, publish_node, publish_shares, read_drained
from crawler.scheduling import due_queue
from crawler.spider_processes import drain
from tests.crawler.held import scrapy_settings


@pytest.fixture(autouse=True)
def _nodes(database: str, redis_server: redis.Redis, frozen: time_machine.Traveller) -> None:
    for name in ("a", "b"):
        report(redis_server, name)
    publish_shares(redis_server, {"a": {"ants": 1}, "b": {}})


def report(server: redis.Redis, name: str, **changes: Any) -> None:
    said: dict[str, Any] = {
        "machine": "m", "at": clock(), "version": "0123456789ab", "queues": ["ants"], "cores": 2, "load": 0.5,
        "running": {"ants": 1} if name == "a" else {},
    }  # fmt: skip
    publish_node(server, NodeReport(name=name, **(said | changes)))


def run(*arguments: str) -> str | int | None:
    with pytest.raises(SystemExit) as left:
        execute(["scrapy", "nodes", *arguments], scrapy_settings())
    return left.value.code


def test_an_order_is_a_row_that_redis_has_at_once_and_gets_back(redis_server: redis.Redis) -> None:
    drain.drain("b", "new disk")
    assert drain.drained() == {"b": (clock(), "new disk")}
    assert read_drained(redis_server) == frozenset({"b"})
    redis_server.flushdb()
    assert read_drained(redis_server) is None
    with due_queue.connect() as client:
        drain.apply_orders(client)
    assert read_drained(redis_server) == frozenset({"b"})
    drain.release("b")
    assert (drain.drained(), read_drained(redis_server)) == ({}, frozenset())


def test_a_second_order_replaces_the_reason(redis_server: redis.Redis) -> None:
    drain.drain("b", "new disk")
    drain.drain("b", "given back")
    assert drain.drained()["b"][1] == "given back"


def test_only_nodes_that_are_known_can_be_drained_and_only_drained_ones_go() -> None:
    with pytest.raises(drain.UnknownNode, match=r"did you mean b\? those that exist: a, b"):
        drain.drain("bb", "a typing error")
    with pytest.raises(drain.UnknownNode, match="'a' is not drained"):
        drain.release("a")
    with pytest.raises(ValueError, match="say why"):
        drain.drain("a", " ")


def test_a_node_that_is_gone_can_be_drained_for_a_day(
    redis_server: redis.Redis, frozen: time_machine.Traveller
) -> None:
    redis_server.delete("node:b")
    drain.drain("b", "given back")
    drain.release("b")
    frozen.shift(timedelta(days=1))
    with pytest.raises(drain.UnknownNode):
        drain.drain("b", "given back")


def test_the_command_shows_and_moves(redis_server: redis.Redis, capsys: pytest.CaptureFixture[str]) -> None:
    assert not run("--drain", "a", "--reason", "new disk")
    redis_server.delete("node:b")
    assert not run()
    lines = capsys.readouterr().out.splitlines()[-3:]
    assert lines[0].split() == [
        "NODE",
        "SEEN",
        "RUNS",
        "SHARE",
        "LIMIT",
        "BROWSER",
        "LOAD",
        "VERSION",
        "DRAINED",
    ]
    at = f"{clock():%Y-%m-%d %H:%M:%SZ}"
    assert lines[1].split("  ")[0] == "a"
    assert "ants:1" in lines[1]
    assert lines[1].endswith(f"{at}: new disk")
    assert f"gone since {at}" in lines[2]
    assert not run("--go", "a")
    assert drain.drained() == {}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["b"], "'b' is no argument"),
        (["--drain", "b"], "go together"),
        (["--drain", "b", "--reason", "x", "--go", "a"], "not both"),
        (["--drain", "c", "--reason", "x"], "no node is called 'c'"),
        (["--go", "b"], "'b' is not drained"),
    ],
)
def test_wrong_arguments_are_named(arguments: list[str], said: str) -> None:
    assert said in str(run(*arguments))


def test_servers_that_are_away_are_named(settings_env: Callable[..., None]) -> None:
    settings_env(REDIS_URL="redis://127.0.0.1:1/0")
    assert "Redis is away" in str(run())


def test_what_other_code_wrote_is_no_report(redis_server: redis.Redis) -> None:
    redis_server.set("node:b", "{}")
    redis_server.set("drained", "no list")
    assert not run()
    assert read_drained(redis_server) is None
    publish_drained(redis_server, [])
    assert read_drained(redis_server) == frozenset()
