"""Causes of planning: which rows reach the due queue, and how soon."""

from collections.abc import Callable
from datetime import datetime, timedelta
from uuid import UUID

import pytest
import redis
import sqlalchemy as sa
import time_machine

from api.accounts.service import give_plan
from api.alerts import service as alert_service
from api.models.alert import Alert, AlertTarget, ClosedBecause
from api.models.base import new_id, session
from api.models.desk import DeskState, DeskStatus
from api.models.user import Grant, User
from configs.world.desk import Desk
from configs.world.outcome import Outcome
from configs.world.plan import PlanName
from crawler.planner import Planner
from crawler.scheduling import due_queue
from tests.crawler.checks import HOST, NOW

SYSTEM = "prefenligne"
HEARTBEAT, SOON = 6 * 3600, 5.0  # seconds
DESK = "evry_91/a"


@pytest.fixture
def plan(plan: Planner, client: redis.Redis) -> Planner:
    """A planner that looked at NOW; all desks were checked then and are due at the heartbeat."""
    plan.run_once(NOW)
    with session() as rows:
        rows.execute(
            sa.update(DeskState).values(
                last_check_at=NOW, last_outcome=Outcome.NO_SLOTS, status=DeskStatus.ACTIVE
            )
        )
    for slug in "abc":
        client.zadd(
            f"crawler:due:{SYSTEM}", {f"evry_91/{slug}": (NOW + timedelta(seconds=HEARTBEAT)).timestamp()}
        )
    return plan


def person(*, entitled: bool = True) -> UUID:
    with session() as rows:
        user = User(email=f"{new_id()}@example.org")
        rows.add(user)
        rows.flush()
        if entitled:
            lasts = timedelta(days=7)
            rows.add(
                Grant(
                    user_id=user.id,
                    plan=PlanName.URGENCE_7J,
                    starts_at=NOW,
                    ends_at=NOW + lasts,
                    source="test",
                )
            )
        return user.id


def alert(user: UUID, *, enabled: bool = True) -> UUID:
    with session() as rows:
        made = Alert(user_id=user, enabled=enabled, targets=[AlertTarget(desk_id=DESK)])
        rows.add(made)
        rows.flush()
        alert_service.record_desk_changes(rows, made, "alert created")
        return made.id


def wished() -> float | None:
    with session() as rows:
        return rows.get_one(DeskState, DESK).wished_seconds


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
def test_an_alert_that_is_created_makes_its_desk_due(plan: Planner, client: redis.Redis) -> None:
    alert(person())
    soon(plan, LATER)
    assert (wished(), ahead(client, LATER) <= SOON) == (60, True)


@pytest.mark.rule("4.7")
def test_an_alert_that_is_switched_on_and_off_counts_and_does_not(plan: Planner, client: redis.Redis) -> None:
    made = alert(person(), enabled=False)
    soon(plan, LATER)
    assert (wished(), ahead(client, NOW)) == (HEARTBEAT, HEARTBEAT)
    _set(made, enabled=True)
    soon(plan, LATER)
    assert (wished(), ahead(client, LATER) <= SOON) == (60, True)
    _set(made, enabled=False)
    soon(plan, LATER)
    assert wished() == HEARTBEAT


@pytest.mark.rule("4.7")
def test_an_alert_that_is_closed_counts_no_more(plan: Planner) -> None:
    made = alert(person())
    soon(plan, LATER)
    with session() as rows:
        alert_service.close_alert(rows, rows.get_one(Alert, made), ClosedBecause.DELETED)
    soon(plan, LATER)
    assert wished() == HEARTBEAT


@pytest.mark.rule("4.7")
def test_a_grant_that_is_given_makes_the_desk_due(plan: Planner, client: redis.Redis) -> None:
    user = person(entitled=False)
    alert(user)
    soon(plan, LATER)
    assert wished() == HEARTBEAT
    with time_machine.travel(LATER, tick=False), session() as rows:
        give_plan(rows, rows.get_one(User, user), PlanName.URGENCE_TOTAL, timedelta(minutes=20), "test")
    soon(plan, LATER)
    assert (wished(), ahead(client, LATER) <= SOON) == (30, True)
    soon(plan, LATER + timedelta(minutes=20))
    assert wished() == HEARTBEAT


@pytest.mark.rule("4.7")
def test_a_check_that_somebody_asks_for_is_due_at_once(plan: Planner, client: redis.Redis) -> None:
    with session() as rows:
        rows.execute(sa.update(DeskState).where(DeskState.id == DESK).values(check_requested_at=LATER))
    soon(plan, LATER)
    assert ahead(client, LATER) <= SOON


@pytest.mark.rule("3.9")
def test_in_an_emptied_redis_the_bucket_of_a_host_that_was_asked_begins_empty(
    plan: Planner, client: redis.Redis, desk_files: Callable[..., dict[str, Desk]]
) -> None:
    desk_files(budget=6, a=HOST, b=HOST, c="127.77.0.92:8800")
    client.flushdb()
    plan.run_once(LATER)
    for name in ("due", "idle"):
        client.zadd(f"crawler:{name}:{SYSTEM}", {f"evry_91/{slug}": LATER.timestamp() for slug in "ab"})
    assert (client.get(f"crawler:bucket:{HOST}") or "").split()[0] == "0.000000"
    early = due_queue.claim(SYSTEM, now=LATER + timedelta(seconds=9), places=9, hold=25)
    assert not [each for each in due_queue.send(client, early).claims if each.desk_id != "evry_91/c"]
    filled = due_queue.claim(SYSTEM, now=LATER + timedelta(seconds=60), places=9, hold=25)
    assert due_queue.send(client, filled).claims


def test_what_redis_lost_in_part_is_planned_anew(plan: Planner, client: redis.Redis) -> None:
    client.zrem(f"crawler:due:{SYSTEM}", DESK)
    plan.run_once(LATER)
    assert due_queue.members(client, SYSTEM) == {f"evry_91/{slug}" for slug in "abc"}


def _set(alert_id: UUID, *, enabled: bool) -> None:
    with session() as rows:
        found = rows.get_one(Alert, alert_id)
        found.enabled = enabled
        alert_service.record_desk_changes(rows, found, "alert toggled")
