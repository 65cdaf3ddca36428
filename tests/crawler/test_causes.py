"""Causes of planning: which rows reach the due queue, and how soon."""

from datetime import datetime, timedelta
from uuid import UUID

import pytest
import redis
import time_machine

from api.accounts.service import give_plan
from api.alerts import service as alert_service
from api.models.alert import Alert, AlertTarget, ClosedBecause
from api.models.base import session
from api.models.desk import DeskState, DeskStatus
from api.models.user import User
from configs.world.outcome import Outcome
from configs.world.plan import PlanName
from crawler.planner import Planner
from crawler.scheduling import due_queue
from tests.crawler.checks import NOW
from tests.factories import add_alert, add_grant, add_user, change, get

SYSTEM = "prefenligne"
HEARTBEAT, SOON = 6 * 3600, 5.0  # seconds
DESK = "evry_91/a"


@pytest.fixture
def plan(plan: Planner, client: redis.Redis) -> Planner:
    """A planner that looked at NOW; all desks were checked then and are due at the heartbeat."""
    plan.run_once(NOW)
    change(DeskState, last_check_at=NOW, last_outcome=Outcome.NO_SLOTS, status=DeskStatus.ACTIVE)
    for slug in "abc":
        client.zadd(
            f"crawler:due:{SYSTEM}", {f"evry_91/{slug}": (NOW + timedelta(seconds=HEARTBEAT)).timestamp()}
        )
    return plan


def alert(*, entitled: bool = True, enabled: bool = True) -> UUID:
    """Let somebody make an alert for the desk; return its id."""
    user = add_user().id
    if entitled:
        add_grant(user, PlanName.URGENCE_7J, starts_at=NOW, ends_at=NOW + timedelta(days=7))
    made = add_alert(user, AlertTarget(desk_id=DESK))
    switch(made, enabled=enabled)
    return made


def switch(alert_id: UUID, *, enabled: bool) -> None:
    with session() as s:
        found = s.get_one(Alert, alert_id)
        found.enabled = enabled
        alert_service.record_desk_changes(s, found, "alert toggled")


def wished() -> float | None:
    return get(DeskState, DESK).wished_seconds


def ahead(client: redis.Redis, of: datetime) -> float:
    score = client.zscore(f"crawler:due:{SYSTEM}", DESK)
    assert score
    return score - of.timestamp()


def soon(plan: Planner, at: datetime) -> datetime:
    """Let the planner look as often as it does within five seconds, and return when it looked last."""
    for second in range(1, int(SOON) + 1):
        plan.run_once(at + timedelta(seconds=second))
    return at + timedelta(seconds=SOON)


LATER = NOW + timedelta(minutes=30)


@pytest.mark.rule("4.7")
def test_an_alert_counts_while_it_is_switched_on_and_not_closed(plan: Planner, client: redis.Redis) -> None:
    made = alert(enabled=False)
    soon(plan, LATER)
    assert (wished(), ahead(client, NOW)) == (HEARTBEAT, HEARTBEAT)
    switch(made, enabled=True)
    soon(plan, LATER)
    assert (wished(), ahead(client, LATER) <= SOON) == (60, True)
    switch(made, enabled=False)
    soon(plan, LATER)
    assert wished() == HEARTBEAT
    made = alert()
    soon(plan, LATER)
    assert wished() == 60
    with session() as s:
        alert_service.close_alert(s, s.get_one(Alert, made), ClosedBecause.DELETED)
    soon(plan, LATER)
    assert wished() == HEARTBEAT


@pytest.mark.rule("4.7")
def test_a_grant_that_is_given_makes_the_desk_due(plan: Planner, client: redis.Redis) -> None:
    user = get(Alert, alert(entitled=False)).user_id
    soon(plan, LATER)
    assert wished() == HEARTBEAT
    with time_machine.travel(LATER, tick=False), session() as s:
        give_plan(s, s.get_one(User, user), PlanName.URGENCE_TOTAL, timedelta(minutes=20), "test")
    soon(plan, LATER)
    assert (wished(), ahead(client, LATER) <= SOON) == (30, True)
    soon(plan, LATER + timedelta(minutes=20))
    assert wished() == HEARTBEAT


@pytest.mark.rule("4.7")
def test_a_check_that_somebody_asks_for_is_due_at_once(plan: Planner, client: redis.Redis) -> None:
    change(DeskState, DeskState.id == DESK, check_requested_at=LATER)
    soon(plan, LATER)
    assert ahead(client, LATER) <= SOON


def test_what_redis_lost_in_part_is_planned_anew(plan: Planner, client: redis.Redis) -> None:
    client.zrem(f"crawler:due:{SYSTEM}", DESK)
    plan.run_once(LATER)
    assert due_queue.members(client, SYSTEM) == {f"evry_91/{slug}" for slug in "abc"}
