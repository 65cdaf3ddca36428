"""Keepers that give queues more processes while checks begin late, with real claims in a real Redis."""

import os
from datetime import timedelta

import pytest

from configs.node_report import publish_drained
from crawler.scheduling import due_queue
from crawler.spider_processes.fleet import count_claims
from crawler.spider_processes.scaling import ClaimCounts
from tests.crawler.checks import entry
from tests.crawler.spider_processes.machines import QUEUES, Machine, World


@pytest.fixture(autouse=True)
def _four_cores(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: range(4))
    monkeypatch.setattr(os, "getloadavg", lambda: (world.current.load, 0.0, 0.0))


def claim(world: World, queue: str, *, late: bool) -> None:
    """Claim a desk that has been due for ten seconds, of which a host held it back for all, or for none."""
    desk = f"{queue}-{world.now.timestamp()}"
    due = world.now - timedelta(seconds=10)
    since = due if late else world.now - timedelta(seconds=0.1)
    with due_queue.connect() as client:
        due_queue.send(client, due_queue.schedule(queue, [entry(desk, f"{desk}:80", 0, due)]))
        call = due_queue.claim(queue, now=world.now, places=1, hold=25, since=since)
        assert due_queue.send(client, call).claims
        due_queue.send(client, due_queue.drop(queue, [desk]))


def pass_time(world: World, seconds: int, *, late: bool, queue: str = "custom") -> None:
    for _ in range(seconds // 2):
        claim(world, queue, late=late)
        world.turn()


def add(world: World, name: str, **variables: str) -> Machine:
    return world.add(
        name,
        **({"SPIDER_PROCESSES_MAX": "3", "SCALE_UP_SECONDS": "24", "SCALE_DOWN_SECONDS": "60"} | variables),
    )


def test_a_queue_whose_checks_begin_late_gets_more_processes_and_gives_them_back(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    only = add(world, "main")
    world.turn()
    pass_time(world, 22, late=True)
    assert only.counts == world.wanted
    pass_time(world, 2, late=True)
    assert only.counts == world.wanted | {"custom": 2}
    pass_time(world, 72, late=True)
    assert only.counts == world.wanted | {"custom": 3}
    pass_time(world, 58, late=False)
    assert only.counts == world.wanted | {"custom": 3}
    pass_time(world, 64, late=False)
    assert only.counts == world.wanted
    assert [text for text in caplog.messages if "instead of" in text] == [
        "custom: 2 spiders instead of 1: its checks begin late",
        "custom: 3 spiders instead of 2: its checks begin late",
        "custom: 2 spiders instead of 3: its checks have begun in time",
        "custom: 1 spider instead of 2: its checks have begun in time",
    ]
    assert world.read_seen()["wanted"] == world.wanted


def test_what_hosts_held_back_makes_nothing_grow(world: World) -> None:
    only = add(world, "main")
    pass_time(world, 60, late=False)
    assert only.counts == world.wanted


def test_unless_it_is_allowed_nothing_grows(world: World) -> None:
    only = world.add("main")
    pass_time(world, 60, late=True)
    assert only.counts == world.wanted


def test_without_a_free_core_nothing_grows(world: World) -> None:
    only = add(world, "main")
    only.load = 3.1
    pass_time(world, 60, late=True)
    assert only.counts == world.wanted
    only.load = 3.0
    pass_time(world, 4, late=True)
    assert only.counts == world.wanted | {"custom": 2}


def test_a_queue_that_grows_takes_no_other_ones_place(world: World) -> None:
    only = add(world, "main", NODE_PROCESSES=str(len(QUEUES)))
    pass_time(world, 60, late=True)
    assert only.counts == world.wanted
    assert "missing" not in world.read_seen()


def test_what_was_added_makes_room_where_a_machine_is_lost(world: World) -> None:
    first, second = add(world, "a", NODE_PROCESSES=str(len(QUEUES))), add(world, "b")
    world.turn(10)
    pass_time(world, 30, late=True)
    assert world.counts == world.wanted | {"custom": 2}
    second.kill()
    world.pass_time(40)
    assert first.counts == world.wanted


def test_the_free_core_is_where_the_process_would_run(world: World) -> None:
    first, second = add(world, "a"), add(world, "b", NODE_SYSTEMS="custom")
    publish_drained(world.redis, ["b"])
    first.load = 3.5
    pass_time(world, 60, late=True)
    assert (first.counts, second.counts) == (world.wanted, {})
    publish_drained(world.redis, [])
    pass_time(world, 60, late=True)
    assert second.counts == {"custom": 1}
    assert world.counts == world.wanted
    first.load = 0.5
    pass_time(world, 10, late=True)
    assert world.counts == world.wanted | {"custom": 2}


def test_what_was_added_stays_when_the_keeper_or_the_leader_is_another(world: World) -> None:
    first, second = add(world, "a"), add(world, "b")
    world.turn(10)
    pass_time(world, 30, late=True)
    assert world.counts == world.wanted | {"custom": 2}
    assert [each.counts["custom"] for each in (first, second)] == [1, 1]
    started = [*first.started, *second.started]
    for machine in (first, second):
        machine.restart()
        world.turn(5)
    assert world.counts == world.wanted | {"custom": 2}
    assert [*first.started, *second.started] == started
    world.redis.flushdb()
    world.turn(10)
    assert world.counts == world.wanted | {"custom": 2}
    leader = next(each for each in (first, second) if each.keeper._fleet._lease.held)
    leader.kill()
    world.pass_time(30)
    assert world.counts == world.wanted | {"custom": 2}


def test_claims_are_late_by_what_no_host_explains(world: World) -> None:
    claim(world, "custom", late=True)
    world.now += timedelta(seconds=1)
    claim(world, "custom", late=False)
    with due_queue.connect() as client:
        assert count_claims(client, "custom") == ClaimCounts(all=2, late=1)
        assert count_claims(client, "ants") == ClaimCounts()
