"""The lane of push: dead endpoints hold up neither the worker's calls nor other devices."""

import time
from collections.abc import Callable, Iterator, Sequence
from statistics import median
from threading import Event
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
import sqlalchemy as sa
import time_machine

from api.models.base import new_id, session
from api.models.notification import Notification, Priority, State
from api.models.user import Channel, Contact, User
from configs.clock import clock
from notifier import nudges
from notifier.channel_base import OutgoingMessage
from notifier.clock_steps import LEASE_SECONDS
from notifier.jobs import deliver, match
from notifier.provider_base import Answer
from notifier.web_push import push_lane
from notifier.web_push.host_breakers import HostBreaker
from notifier.web_push.push_lane import PushLane, open_lane
from tests.browser_keys import browser_address
from tests.notifier.world import alert, detection, notifications, person
from tests.waiting import until

if TYPE_CHECKING:
    from deploy.sandbox.running import Running

pytestmark = pytest.mark.usefixtures("database", "redis_server")
_TIMEOUT = 30  # seconds that a dead endpoint is waited for
_GOAL = 0.1  # seconds that nothing else waits longer for


@pytest.fixture
def lane(sandbox: "Running") -> Iterator[PushLane]:
    with open_lane() as made:
        yield made


def write_messages(count: int, name: str) -> list[UUID]:
    """Write test messages to so many devices of as many people."""
    now, who = clock(), person(channels=(Channel.PUSH,))
    waiting = alert(who)
    with session() as s:
        users = [User(id=new_id(), email=f"{name}{number}@example.org") for number in range(count)]
        s.add_all(users)
        s.flush()
        contacts = [
            Contact(
                id=new_id(), user_id=user.id, channel=Channel.PUSH, address=browser_address(f"{name}{number}"),
                enabled=True, verified_at=now, device_name="Firefox",
            )
            for number, user in enumerate(users)
        ]  # fmt: skip
        s.add_all(contacts)
        s.flush()
        rows = [
            Notification(
                id=new_id(), user_id=each.user_id, contact_id=each.id, channel=Channel.PUSH, kind="test_message",
                params={"alert": str(waiting), "test": name}, priority=Priority.IMMEDIATE, dedupe_key=str(new_id()),
                next_attempt_at=now, next_nudge_at=now,
            )
            for each in contacts
        ]  # fmt: skip
        s.add_all(rows)
        return [row.id for row in rows]


def test_a_job_ends_before_its_message_is_answered(lane: PushLane, sandbox: "Running") -> None:
    (key,) = write_messages(1, "silent-")
    (live,) = write_messages(1, "live-")
    deliver(str(key))
    deliver(str(live))
    until(lambda: sandbox.messages("push"))
    until(lambda: [row.id for row in notifications(State.SENT)] == [live])
    assert [row.id for row in notifications(State.SENDING)] == [key]


def test_dead_endpoints_delay_neither_jobs_nor_other_devices(
    lane: PushLane, sandbox: "Running", settings_env: Callable[..., None]
) -> None:
    jobs, _, after = _measure_beside_dead(200, sandbox, settings_env)
    assert median(jobs) < _GOAL
    # On a busy machine all takes longer; who waited for a dead endpoint would need the whole time-out.
    assert median(after) < _TIMEOUT / 10


@pytest.mark.journey
def test_a_thousand_dead_endpoints_cost_others_less_than_100_ms(
    lane: PushLane, sandbox: "Running", settings_env: Callable[..., None]
) -> None:
    jobs, before, after = _measure_beside_dead(1000, sandbox, settings_env)
    assert median(jobs) < _GOAL
    assert median(after) - median(before) < _GOAL


def _measure_beside_dead(
    dead: int, sandbox: "Running", settings_env: Callable[..., None]
) -> tuple[list[float], list[float], list[float]]:
    """Return seconds: of each job for dead endpoints, and of live messages before and beside them."""
    settings_env(PUSH_TIMEOUT_SECONDS=str(_TIMEOUT), LEASE_SECONDS=str(2 * _TIMEOUT))
    warm = write_messages(1, "warm-")
    deliver(*map(str, warm))
    until(lambda: sandbox.messages("push"))
    before = [_send_live(sandbox, key) for key in write_messages(10, "before-")]
    silent, live = write_messages(dead, "silent-"), write_messages(10, "live-")
    jobs = [_measure_job(silent[start : start + 10]) for start in range(0, dead, 10)]
    until(lambda: sandbox.provider_calls("push") >= dead)
    after = [_send_live(sandbox, key) for key in live]
    until(lambda: len(notifications(State.SENDING)) == dead)
    return jobs, before, after


def _measure_job(ids: list[UUID]) -> float:
    """Return the processor's time that a job keeps its worker for."""
    began = time.thread_time()
    deliver(*map(str, ids))
    return time.thread_time() - began


def _send_live(sandbox: "Running", key: UUID) -> float:
    """Return the seconds until the stand-in has a message."""
    known, began = len(sandbox.messages("push")), time.monotonic()
    deliver(str(key))
    until(lambda: len(sandbox.messages("push")) > known, pause=0.002)
    return time.monotonic() - began


def test_what_finds_no_room_is_put_off_and_not_claimed(
    lane: PushLane, sandbox: "Running", settings_env: Callable[..., None]
) -> None:
    settings_env(PUSH_UNDER_WAY="50")
    dead = write_messages(50, "silent-")
    deliver(*map(str, dead))
    (live,) = write_messages(1, "live-")
    deliver(str(live))
    with session() as s:
        row = s.get_one(Notification, live)
        assert (row.state, row.attempts) == (State.PENDING, 0)
        assert row.next_nudge_at > row.next_attempt_at


def test_answers_of_a_lane_are_recorded_as_without_one(lane: PushLane, sandbox: "Running") -> None:
    ids = write_messages(1, "gone-") + write_messages(2, "live-")
    deliver(*map(str, ids))
    until(lambda: not notifications(State.SENDING))
    assert sorted(row.state for row in notifications()) == [State.FAILED, State.SENT, State.SENT]
    with session() as s:
        assert s.scalar(sa.select(sa.func.count()).where(Contact.state == "blocked")) == 1


def test_the_worker_of_matching_leaves_push_to_its_own(sandbox: "Running") -> None:
    who = person(channels=(Channel.PUSH,))
    alert(who)
    match(str(detection()))
    (row,) = notifications()
    assert row.state is State.PENDING
    assert [each.channel for each in nudges.waiting([row.id])] == [Channel.PUSH]
    assert sandbox.provider_calls("push") == 0


def test_a_lane_that_ends_leaves_leases_behind(sandbox: "Running") -> None:
    (key,) = write_messages(1, "silent-")
    with open_lane():
        deliver(str(key))
        until(lambda: sandbox.provider_calls("push"))
    assert [row.id for row in notifications(State.SENDING)] == [key]


def test_a_database_that_is_away_holds_up_no_claimed_message(
    lane: PushLane, sandbox: "Running", monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = write_messages(2, "live-")
    is_back, record = Event(), push_lane.record_together

    def wait(answered: Sequence[Any]) -> None:
        is_back.wait(10)
        record(answered)

    monkeypatch.setattr(push_lane, "record_together", wait)
    deliver(str(first))
    until(lambda: len(sandbox.messages("push")) == 1)
    deliver(str(second))
    try:
        until(lambda: len(sandbox.messages("push")) == 2)
        assert notifications(State.SENT) == []
    finally:
        is_back.set()
    until(lambda: len(notifications(State.SENT)) == 2)


def test_a_message_whose_lease_ran_out_meanwhile_is_left_to_the_next_claim(
    lane: PushLane, sandbox: "Running", monkeypatch: pytest.MonkeyPatch
) -> None:
    (key,) = write_messages(1, "live-")
    is_there, refuse = Event(), HostBreaker.refuse

    def wait(breaker: HostBreaker, messages: Sequence[OutgoingMessage]) -> list[Answer] | None:
        is_there.wait(10)
        return refuse(breaker, messages)

    monkeypatch.setattr(HostBreaker, "refuse", wait)
    with time_machine.travel(clock(), tick=True) as machine:
        deliver(str(key))
        machine.shift(LEASE_SECONDS() + 1)
        is_there.set()
        until(lambda: not notifications(State.SENDING))
        (row,) = notifications()
    assert (row.state, row.attempts) == (State.PENDING, 0)
    assert sandbox.provider_calls("push") == 0


def test_a_device_that_is_removed_under_way_ends_its_message(
    lane: PushLane, sandbox: "Running", settings_env: Callable[..., None]
) -> None:
    settings_env(PUSH_TIMEOUT_SECONDS="1")
    (key,) = write_messages(1, "silent-")
    deliver(str(key))
    until(lambda: sandbox.provider_calls("push"))
    with session() as s:
        s.execute(sa.delete(Contact).where(Contact.id == s.get_one(Notification, key).contact_id))
    until(lambda: not notifications(State.SENDING))
    with session() as s:
        s.execute(sa.update(Notification).values(next_attempt_at=clock()))
    deliver(str(key))
    until(lambda: notifications(State.SKIPPED))
    assert sandbox.provider_calls("push") == 1
