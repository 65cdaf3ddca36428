"""Orders of an operator, by rows alone, as the API or SQL writes them: the planner carries them out within a run."""

from datetime import datetime, timedelta
from typing import Any

import pytest
import redis
import time_machine

from api.models.desk import DeskState, DeskStatus, HostState, Outage, OutageReason
from crawler.incidents import kill_switch
from crawler.planner import Planner
from crawler.scheduling import due_queue
from tests.crawler.checks import HOST, NOW, queued_desks, take
from tests.factories import change, get, rows, save

SYSTEM = "prefenligne"
A = "evry_91/a"


@pytest.fixture
def plan(plan: Planner) -> Planner:
    """A planner that looked at NOW; its desks are watched."""
    plan.run_once(NOW)
    change(DeskState, status=DeskStatus.ACTIVE)
    return plan


def later(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def claimed(client: redis.Redis, seconds: float) -> set[str]:
    found = take(client, later(seconds), system=SYSTEM).claims
    return {claim.desk_id.partition("/")[2] for claim in found}


def queued(client: redis.Redis) -> set[str]:
    return {each.partition("/")[2] for each in queued_desks(client, SYSTEM)}


def outages() -> list[tuple[str, OutageReason, datetime, datetime | None]]:
    return [(row.desk_id.partition("/")[2], row.reason, row.starts_at, row.ends_at) for row in rows(Outage)]


def order_desk(desk_id: str = A, **values: Any) -> None:
    change(DeskState, DeskState.id == desk_id, **values)


def stop_by_row() -> None:
    save(HostState(host=HOST, stopped_at=NOW, stop_reason="they wrote to us"))


def go_by_row() -> None:
    change(HostState, stopped_at=None, stop_reason=None)


@pytest.mark.rule("4.11")
def test_a_host_that_is_stopped_is_asked_nothing_until_it_goes(
    plan: Planner, client: redis.Redis, frozen: time_machine.Traveller
) -> None:
    frozen.move_to(later(1))
    stop_by_row()
    plan.run_once(later(1))
    assert claimed(client, 3600) == {"c"}
    assert get(HostState, HOST).stop_reason == "they wrote to us"
    assert outages() == [(each, OutageReason.STOPPED, later(1), None) for each in "ab"]
    a = get(DeskState, A)
    assert (a.status, a.status_reason) == (DeskStatus.PAUSED, kill_switch.STOPPED)
    frozen.move_to(later(2))
    go_by_row()
    plan.run_once(later(2))
    assert outages() == [(each, OutageReason.STOPPED, later(1), later(2)) for each in "ab"]
    assert claimed(client, 3601) & {"a", "b"}
    assert get(HostState, HOST).stopped_at is None


@pytest.mark.rule("3.9")
def test_an_emptied_redis_forgets_no_stop(plan: Planner, client: redis.Redis) -> None:
    stop_by_row()
    plan.run_once(later(1))
    client.flushdb()
    assert claimed(client, 3600) == set()
    plan.run_once(later(2))
    assert claimed(client, 3600) == {"c"}


def pause_by_row() -> None:
    order_desk(paused_at=NOW, pause_reason="its page changes tonight")


def resume_by_row() -> None:
    order_desk(paused_at=None, pause_reason=None)


def test_a_paused_desk_leaves_the_queue_and_comes_back(plan: Planner, client: redis.Redis) -> None:
    pause_by_row()
    plan.run_once(later(1))
    assert queued(client) == {"b", "c"}
    assert outages() == [("a", OutageReason.STOPPED, later(1), None)]
    a = get(DeskState, A)
    assert (a.status, a.status_reason) == (DeskStatus.PAUSED, kill_switch.PAUSED)
    for second in (2, 3):
        plan.run_once(later(second))
    assert queued(client) == {"b", "c"}
    assert (get(DeskState, A).due_queue, get(DeskState, "evry_91/b").due_queue) == (None, SYSTEM)
    resume_by_row()
    for second in (4, 5):
        plan.run_once(later(second))
    assert queued(client) == {"a", "b", "c"}
    assert get(DeskState, A).due_queue == SYSTEM
    assert outages() == [("a", OutageReason.STOPPED, later(1), later(4))]


def test_a_visit_of_a_desk_that_is_paused_meanwhile_makes_no_further_request(
    plan: Planner, client: redis.Redis
) -> None:
    found = take(client, later(3600), system=SYSTEM).claims
    (claim,) = (each for each in found if each.desk_id != "evry_91/c")
    may_ask = due_queue.spend(SYSTEM, claim.desk_id, claim.token, now=later(3600))
    assert due_queue.send(client, may_ask)
    order_desk(claim.desk_id, paused_at=NOW, pause_reason="its page changes tonight")
    plan.run_once(later(3601))
    assert not due_queue.send(client, may_ask)


def test_a_desk_with_an_outage_of_its_own_keeps_it(plan: Planner) -> None:
    order_desk(status=DeskStatus.CAPTCHA, status_reason="a captcha")
    save(Outage(desk_id=A, starts_at=NOW, reason=OutageReason.CAPTCHA))
    stop_by_row()
    plan.run_once(later(1))
    go_by_row()
    plan.run_once(later(2))
    assert get(DeskState, A).status is DeskStatus.CAPTCHA
    assert ("a", OutageReason.CAPTCHA, NOW, None) in outages()
