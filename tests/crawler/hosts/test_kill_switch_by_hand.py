from datetime import timedelta

import pytest
import redis
import sqlalchemy as sa

from api.models.base import session
from api.models.desk import DeskState, DeskStatus, Outage
from crawler.hosts import kill_switch
from crawler.planner import Planner
from crawler.scheduling import due_queue
from tests.crawler.checks import HOST, NOW

SYSTEM = "prefenligne"


@pytest.fixture
def plan(plan: Planner) -> Planner:
    """A planner that looked at NOW; its desks are watched."""
    plan.run_once(NOW)
    with session() as rows:
        rows.execute(sa.update(DeskState).values(status=DeskStatus.ACTIVE))
    return plan


def claimed(client: redis.Redis, seconds: float = 3600) -> set[str]:
    now = NOW + timedelta(seconds=seconds)
    found = due_queue.send(client, due_queue.claim(SYSTEM, now=now, places=9, hold=25)).claims
    return {claim.desk_id.partition("/")[2] for claim in found}


def outages() -> list[tuple[str, bool]]:
    with session() as rows:
        found = rows.scalars(sa.select(Outage).order_by(Outage.desk_id))
        return [(row.desk_id.partition("/")[2], row.ends_at is None) for row in found]


@pytest.mark.rule("4.11")
def test_nobody_claims_a_desk_of_a_stopped_host_until_it_goes(plan: Planner, client: redis.Redis) -> None:
    kill_switch.stop(HOST, "they wrote to us")
    assert claimed(client) == {"c"}
    assert kill_switch.stopped() == {HOST: (NOW, "they wrote to us")}
    kill_switch.resume(HOST)
    assert claimed(client, 3601) & {"a", "b"}
    assert kill_switch.stopped() == {}


def test_a_stop_is_an_outage_of_all_desks_there_and_ends_as_the_host_goes(plan: Planner) -> None:
    kill_switch.stop(HOST, "they wrote to us")
    assert outages() == [("a", True), ("b", True)]
    with session() as rows:
        status = rows.get_one(DeskState, "evry_91/a")
        assert (status.status, status.status_reason) == (DeskStatus.PAUSED, kill_switch.STOPPED)
    kill_switch.stop(HOST, "again")
    kill_switch.resume(HOST)
    assert outages() == [("a", False), ("b", False)]


@pytest.mark.rule("3.9")
def test_an_emptied_redis_forgets_no_stop(plan: Planner, client: redis.Redis) -> None:
    kill_switch.stop(HOST, "they wrote to us")
    client.flushdb()
    assert claimed(client) == set()
    plan.run_once(NOW + timedelta(seconds=1))
    assert claimed(client) == {"c"}
