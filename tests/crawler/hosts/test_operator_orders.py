"""Orders of an operator that only wrote rows, as the API does: the planner carries them out within a run."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
import redis
import sqlalchemy as sa
from scrapy.cmdline import execute

from api.models.base import session
from api.models.desk import DeskChange, DeskState, DeskStatus, HostState, Outage, OutageReason
from crawler.hosts import kill_switch
from crawler.planner import Planner
from crawler.scheduling import due_queue
from tests.crawler.checks import HOST, NOW
from tests.crawler.held import scrapy_settings

SYSTEM = "prefenligne"
A = "evry_91/a"


@pytest.fixture
def plan(plan: Planner) -> Planner:
    """A planner that looked at NOW; its desks are watched."""
    plan.run_once(NOW)
    with session() as rows:
        rows.execute(sa.update(DeskState).values(status=DeskStatus.ACTIVE))
    return plan


def later(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def claimed(client: redis.Redis, seconds: float) -> set[str]:
    found = due_queue.send(client, due_queue.claim(SYSTEM, now=later(seconds), places=9, hold=25)).claims
    return {claim.desk_id.partition("/")[2] for claim in found}


def queued(client: redis.Redis) -> set[str]:
    return {each.partition("/")[2] for each in due_queue.members(client, SYSTEM)}


def outages() -> list[tuple[str, OutageReason, datetime, datetime | None]]:
    with session() as rows:
        found = rows.scalars(sa.select(Outage).order_by(Outage.id))
        return [(row.desk_id.partition("/")[2], row.reason, row.starts_at, row.ends_at) for row in found]


def order_host(**values: Any) -> None:
    with session() as rows:
        rows.merge(HostState(host=HOST, **values))


def order_desk(desk_id: str = A, **values: Any) -> None:
    with session() as rows:
        rows.execute(sa.update(DeskState).where(DeskState.id == desk_id).values(values))
        rows.add(DeskChange(desk_id=desk_id, reason="an operator's order"))


def state(desk_id: str = A) -> DeskState:
    with session() as rows:
        return rows.get_one(DeskState, desk_id)


def test_a_host_whose_row_says_stopped_is_asked_nothing_until_the_row_says_go(
    plan: Planner, client: redis.Redis
) -> None:
    order_host(stopped_at=NOW, stop_reason="they wrote to us")
    plan.run_once(later(1))
    assert claimed(client, 3600) == {"c"}
    assert outages() == [(each, OutageReason.STOPPED, later(1), None) for each in "ab"]
    assert (state().status, state().status_reason) == (DeskStatus.PAUSED, kill_switch.STOPPED)
    order_host(stopped_at=None, stop_reason=None)
    plan.run_once(later(2))
    assert outages() == [(each, OutageReason.STOPPED, later(1), later(2)) for each in "ab"]
    assert claimed(client, 3601) & {"a", "b"}


def pause_by_row() -> None:
    order_desk(paused_at=NOW, pause_reason="its page changes tonight")


def resume_by_row() -> None:
    order_desk(paused_at=None, pause_reason=None)


def run_command(*arguments: str) -> str | int | None:
    with pytest.raises(SystemExit) as left:
        execute(["scrapy", "desks", *arguments], scrapy_settings())
    return left.value.code


def pause_by_command() -> None:
    assert run_command("--pause", A, "--reason", "its page is read wrong") == 0


def resume_by_command() -> None:
    assert run_command("--resume", A) == 0


@pytest.mark.parametrize(
    ("pause", "resume"), [(pause_by_row, resume_by_row), (pause_by_command, resume_by_command)]
)
def test_a_paused_desk_leaves_the_queue_and_comes_back(
    plan: Planner, client: redis.Redis, pause: Callable[[], None], resume: Callable[[], None]
) -> None:
    pause()
    plan.run_once(later(1))
    assert queued(client) == {"b", "c"}
    assert outages() == [("a", OutageReason.STOPPED, later(1), None)]
    assert (state().status, state().status_reason) == (DeskStatus.PAUSED, kill_switch.PAUSED)
    for second in (2, 3):
        plan.run_once(later(second))
    assert queued(client) == {"b", "c"}
    assert (state().due_queue, state("evry_91/b").due_queue) == (None, SYSTEM)
    resume()
    for second in (4, 5):
        plan.run_once(later(second))
    assert queued(client) == {"a", "b", "c"}
    assert state().due_queue == SYSTEM
    assert outages() == [("a", OutageReason.STOPPED, later(1), later(4))]


def test_a_visit_of_a_desk_that_is_paused_meanwhile_makes_no_further_request(
    plan: Planner, client: redis.Redis
) -> None:
    found = due_queue.send(client, due_queue.claim(SYSTEM, now=later(3600), places=9, hold=25)).claims
    (claim,) = (each for each in found if each.desk_id != "evry_91/c")
    may_ask = due_queue.spend(SYSTEM, claim.desk_id, claim.token, now=later(3600))
    assert due_queue.send(client, may_ask)
    order_desk(claim.desk_id, paused_at=NOW, pause_reason="its page changes tonight")
    plan.run_once(later(3601))
    assert not due_queue.send(client, may_ask)


def test_a_desk_with_an_outage_of_its_own_keeps_it(plan: Planner) -> None:
    order_desk(status=DeskStatus.CAPTCHA, status_reason="a captcha")
    with session() as rows:
        rows.add(Outage(desk_id=A, starts_at=NOW, reason=OutageReason.CAPTCHA))
    order_host(stopped_at=NOW, stop_reason="they wrote to us")
    plan.run_once(later(1))
    order_host(stopped_at=None, stop_reason=None)
    plan.run_once(later(2))
    assert state().status is DeskStatus.CAPTCHA
    assert ("a", OutageReason.CAPTCHA, NOW, None) in outages()
