import os
from collections.abc import Callable
from datetime import timedelta
from itertools import pairwise
from typing import Any
from uuid import UUID, uuid4

import pytest
import redis
import time_machine
from structlog.testing import capture_logs

from api.models.notification import HeldFor, Notification, Priority, State
from api.models.slot import Detection, SlotRow
from api.models.user import Channel
from configs.ground.clock import clock
from configs.programs.jobs import queue
from notifier.delivery import delivery, nudges
from notifier.delivery.nudges import WaitingWork, rearm_seconds
from notifier.sweep import Sweep, nudge_max_seconds, undelivered
from tests import factories
from tests.notifier import world

pytestmark = pytest.mark.usefixtures("database", "redis_server")
Queued = Callable[[str], list[tuple[str, list[Any]]]]


def crowd(number: int) -> list[UUID]:
    """Write a slot alert that waits for each of so many people; return their ids."""
    for each in range(number):
        world.alert(world.person(addresses={Channel.EMAIL: f"p{each}@example.org"}))
    return world.matched(world.detection())


def change_all(**values: Any) -> None:
    for row in world.notifications():
        world.change(Notification, row.id, **values)


def nudges_within(frozen: time_machine.Traveller, seconds: int, sweep: Sweep) -> list[int]:
    """Sweep each second; return the seconds in which something was nudged."""
    found = []
    for second in range(seconds):
        if sweep.turn():
            found.append(second)
        frozen.shift(timedelta(seconds=1))
    return found


@pytest.mark.rule("3.5")
def test_a_detection_nobody_matched_is_nudged_each_time_after_a_longer_wait(
    queued: Queued, frozen: time_machine.Traveller
) -> None:
    seen = world.detection()
    assert nudges_within(frozen, 31, Sweep()) == [2, 6, 14, 30]
    assert queued("critical") == [("notifier.jobs.match", [str(seen)])] * 4
    assert world.get(Detection, seen).nudges == 4


@pytest.mark.rule("3.5")
def test_a_notification_whose_nudge_was_lost_is_nudged_as_often_as_that_happens(
    queued: Queued, frozen: time_machine.Traveller, redis_server: redis.Redis
) -> None:
    key = world.waiting()
    for begins in (2, 0):
        assert nudges_within(frozen, 8, Sweep()) == [begins]
        assert queued("email-single") == [("notifier.jobs.deliver", [str(key)])]
        redis_server.flushdb()
    assert world.get(Notification, key).state is State.PENDING


@pytest.mark.rule("3.5")
def test_what_was_tried_before_waits_for_no_crowd(queued: Queued, frozen: time_machine.Traveller) -> None:
    key = world.waiting()
    nudges.ask_deliver_work([WaitingWork(uuid4(), Channel.EMAIL, Priority.CRITICAL, in_crowd=True)])
    frozen.shift(10)
    world.change(Notification, key, next_attempt_at=clock(), attempts=1)
    assert nudges_within(frozen, 8, Sweep()) == [0], "and once: its job waits"
    assert queued("email-single") == [("notifier.jobs.deliver", [str(key)])]


def test_many_that_were_tried_before_go_by_the_other_queue_and_its_age(
    queued: Queued, frozen: time_machine.Traveller, monkeypatch: pytest.MonkeyPatch, redis_server: redis.Redis
) -> None:
    monkeypatch.setattr(nudges, "FEW", 2)
    keys = crowd(3)
    nudges.ask_deliver_work([WaitingWork(uuid4(), Channel.EMAIL, Priority.CRITICAL, in_crowd=True)])
    frozen.shift(10)
    change_all(next_attempt_at=clock(), attempts=1)
    assert nudges_within(frozen, 5, Sweep()) == []
    redis_server.delete("rq:queue:email-rest")
    assert nudges_within(frozen, 5, Sweep()) == [0]
    assert queued("email-single") == []
    assert {key for _, several in queued("email-rest") for key in several} == set(map(str, keys))


@pytest.fixture
def beside_a_crowd(
    frozen: time_machine.Traveller, monkeypatch: pytest.MonkeyPatch, redis_server: redis.Redis
) -> UUID:
    """Let a crowd of three wait in its queue, and a second later an alert of another desk without a nudge."""
    monkeypatch.setattr(nudges, "FEW", 2)
    nudges.ask_deliver_work(
        [WaitingWork(each, Channel.EMAIL, Priority.CRITICAL, in_crowd=True) for each in crowd(3)]
    )
    frozen.shift(1)
    world.alert(world.person(addresses={Channel.EMAIL: "single@example.org"}), {"desk_id": world.OTHER_DESK})
    (made,) = world.matched(world.detection(desk_id=world.OTHER_DESK))
    return made


_LATER = timedelta(seconds=5)


@pytest.mark.parametrize(
    ("values", "second"),
    [
        ({}, 2),
        ({"attempts": 1, "reason": "answered 502"}, 5),
        ({"priority": Priority.SCHEDULED, "held_for": HeldFor.QUIET_HOURS}, 5),
    ],
    ids=["its nudge was lost", "retried", "quiet hours end"],
)
def test_what_few_wait_for_is_nudged_in_time_beside_a_crowd_that_drains(
    values: dict[str, Any],
    second: int,
    beside_a_crowd: UUID,
    queued: Queued,
    frozen: time_machine.Traveller,
) -> None:
    if values:
        world.change(Notification, beside_a_crowd, next_attempt_at=clock() + _LATER, **values)
    assert nudges_within(frozen, 8, Sweep()) == [second]
    assert queued("email-single") == [("notifier.jobs.deliver", [str(beside_a_crowd)])]


def test_what_few_wait_for_goes_past_a_crowd_that_met_the_same_outage(
    beside_a_crowd: UUID, queued: Queued, frozen: time_machine.Traveller, redis_server: redis.Redis
) -> None:
    change_all(attempts=1, reason="answered 502", next_attempt_at=clock() + _LATER)
    redis_server.flushdb()
    assert nudges_within(frozen, 8, Sweep()) == [5]
    assert queued("email-single") == [("notifier.jobs.deliver", [str(beside_a_crowd)])]
    assert sum(len(several) for _, several in queued("email-rest")) == 3


def test_the_last_of_a_crowd_are_nudged_as_the_first(
    beside_a_crowd: UUID, queued: Queued, frozen: time_machine.Traveller
) -> None:
    world.change(Notification, beside_a_crowd, state=State.DELIVERED, accepted_at=clock())
    sweep = Sweep()
    assert nudges_within(frozen, 3, sweep) == []
    first, *_ = world.notifications(State.PENDING)
    world.change(Notification, first.id, state=State.DELIVERED, accepted_at=clock())
    assert nudges_within(frozen, 8, sweep) == []


def test_of_single_messages_no_more_than_few_enter_their_queue_at_once(
    queued: Queued, frozen: time_machine.Traveller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nudges, "FEW", 2)
    for number, desk in enumerate((world.DESK, world.OTHER_DESK)):
        for other in range(2):
            world.alert(
                world.person(addresses={Channel.EMAIL: f"p{number}{other}@example.org"}), {"desk_id": desk}
            )
        world.matched(world.detection(desk_id=desk))
    assert nudges_within(frozen, 3, Sweep()) == [2]
    found = [sum(len(several) for _, several in queued(f"email-{each}")) for each in ("single", "rest")]
    assert found == [2, 2]


@pytest.mark.parametrize("priority", [Priority.BULK, Priority.SCHEDULED])
def test_what_nobody_waits_for_enters_an_empty_queue_in_portions(
    priority: Priority, queued: Queued, frozen: time_machine.Traveller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("notifier.sweep._SECONDS_OF_OTHERS", 1)
    monkeypatch.setattr("notifier.sweep._FAST", 2)
    monkeypatch.setattr(nudges, "FEW", 2)
    keys = crowd(3)
    change_all(priority=priority)
    sweep = Sweep()
    for _ in range(3):
        sweep.turn()
        frozen.shift(1)
    assert sum(len(several) for _, several in queued("email-rest")) == 2
    for job in queue("email-rest").get_jobs():
        queue("email-rest").remove(job)
        delivery.hand_over(delivery.claim([UUID(each) for each in job.args]))
    sweep.turn()
    assert len(keys) == 3
    assert sum(len(several) for _, several in queued("email-rest")) == 1


@pytest.mark.rule("6.8")
def test_what_nobody_waits_for_enters_behind_all_that_somebody_waits_for(
    queued: Queued, frozen: time_machine.Traveller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nudges, "FEW", 2)
    keys = crowd(6)
    for key in keys[:3]:
        world.change(Notification, key, priority=Priority.BULK)
    frozen.shift(10)
    Sweep().turn()
    nudged = {key for _, several in queued("email-rest") for key in several}
    assert nudged == set(map(str, keys[3:]))


def test_what_is_in_bulk_is_left_to_the_sweep(queued: Queued) -> None:
    key = world.waiting()
    world.change(Notification, key, priority=Priority.BULK)
    nudges.ask_deliver([key])
    assert queued("email-rest") == queued("email-single") == []


@pytest.mark.journey
def test_a_row_that_no_worker_can_claim_is_nudged_ever_more_rarely_and_within_half_a_minute(
    queued: Queued, frozen: time_machine.Traveller, redis_server: redis.Redis
) -> None:
    key = world.waiting()
    sweep, began, found = Sweep(), clock(), list[float]()
    for _ in range(120):
        if sweep.turn():
            found.append((clock() - began).total_seconds())
            assert Sweep().turn() == 0, "another sweep does not nudge it, too"
        redis_server.delete("rq:queue:email-single")  # its job was taken, and failed
        frozen.shift(1)
    assert found[:4] == [2, 6, 14, 30]
    assert max(later - earlier for earlier, later in pairwise(found)) == nudge_max_seconds()
    factories.change(SlotRow, seen_at=clock())
    delivery.claim([key])
    frozen.shift(31)
    assert sweep.turn() == 1


@pytest.mark.parametrize(("queued_at", "mails"), [("yesterday", 0), ("2026-11-20T07:00:00", 1)])
def test_a_damaged_job_stops_nudges_of_its_channel_at_most(
    queued_at: str, mails: int, queued: Queued, frozen: time_machine.Traveller, redis_server: redis.Redis
) -> None:
    world.alert(world.person(channels=(Channel.EMAIL, Channel.SMS)))
    world.matched(world.detection())
    nudges.ask_deliver_work([WaitingWork(uuid4(), Channel.EMAIL, Priority.BULK)])
    (job,) = queue("email-rest").get_jobs()
    redis_server.hset(job.key, "enqueued_at", queued_at)
    frozen.shift(10)
    Sweep().turn()
    assert len(queued("sms-single")) == 1
    assert len(queued("email-single")) == mails


def test_of_more_than_a_round_can_nudge_the_higher_priority_is_first(
    queued: Queued, frozen: time_machine.Traveller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("notifier.sweep._AT_ONCE", 2)
    keys = crowd(4)
    priorities = [Priority.BULK, Priority.SCHEDULED, Priority.IMMEDIATE, Priority.CRITICAL]
    for place, (key, priority) in enumerate(zip(keys, priorities, strict=True)):
        due = clock() - timedelta(minutes=10 - place)
        world.change(Notification, key, priority=priority, next_attempt_at=due)
    first = [each.id for each in undelivered(clock())]
    assert (first[:2], keys[1] in first) == ([keys[3], keys[2]], False)


@pytest.mark.parametrize("state", [State.SENT, State.EXPIRED])
def test_what_has_ended_is_left_alone(state: State, queued: Queued, frozen: time_machine.Traveller) -> None:
    world.change(
        Notification, world.waiting(), state=state, reason="x", accepted_at=clock(), failed_at=clock()
    )
    assert nudges_within(frozen, 10, Sweep()) == []


@pytest.mark.rule("3.4")
def test_desks_with_open_slots_are_rearmed_now_and_then(
    queued: Queued, frozen: time_machine.Traveller
) -> None:
    world.matched(world.detection())
    sweep = Sweep()
    for _ in range(29):
        sweep.turn()
        frozen.shift(timedelta(seconds=1))
    assert queued("many") == [("notifier.jobs.rearm", [world.DESK])]


def test_a_round_whose_worker_was_killed_does_not_keep_the_desk_from_the_next_one(
    queued: Queued, frozen: time_machine.Traveller, redis_server: redis.Redis
) -> None:
    world.matched(world.detection())
    sweep = Sweep()
    sweep.turn()
    assert 0 < redis_server.ttl(f"rq:job:{queue('many').job_ids[0]}") <= rearm_seconds(), (
        "it does not pile up"
    )
    redis_server.persist(f"rq:job:{queue('many').job_ids[0]}")  # as RQ does where one begins
    redis_server.delete("rq:queue:many")
    frozen.shift(timedelta(seconds=31))
    sweep.turn()
    assert len(queued("many")) == 1


def test_what_was_nudged_while_redis_is_away_is_nudged_again(
    queued: Queued,
    frozen: time_machine.Traveller,
    settings_env: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
    closed_port: int,
) -> None:
    world.waiting()
    frozen.shift(timedelta(seconds=3))
    with monkeypatch.context() as away:
        away.setenv("REDIS_URL", f"redis://127.0.0.1:{closed_port}/0")
        settings_env()
        with capture_logs() as logs:
            Sweep().turn()
    settings_env()
    assert {each["event"] for each in logs if each["log_level"] == "warning"} == {
        "not nudged, the sweep will"
    }
    assert queued("email-single") == []
    frozen.shift(timedelta(seconds=5))
    Sweep().turn()
    assert len(queued("email-single")) == 1
    assert len(world.notifications(State.PENDING)) == 1


# Servers that are away: a nudge counts once it is in a queue, and what waits is asked for soon after their return


def test_what_waits_is_asked_for_at_once_when_redis_takes_jobs_again(
    frozen: time_machine.Traveller,
    queued: Queued,
    redis_server: redis.Redis,
    settings_env: Callable[..., None],
) -> None:
    key, seen = world.waiting(channel=Channel.SMS), world.detection(desk_id=world.OTHER_DESK)
    frozen.shift(10)
    sweep, url = Sweep(), os.environ["REDIS_URL"]
    redis_server.acl_setuser("looker", enabled=True, nopass=True, keys="*", categories=["+@all", "-@write"])
    settings_env(REDIS_URL=url.replace("://", "://looker:any@"))  # it reads, as where Redis is full
    for _ in range(20):
        sweep.turn()
        frozen.shift(30)
    settings_env(REDIS_URL=url)
    assert world.get(Notification, key).nudges == world.get(Detection, seen).nudges == 0
    sweep.turn()
    assert queued("sms-single") == [("notifier.jobs.deliver", [str(key)])]
    assert queued("critical") == [("notifier.jobs.match", [str(seen)])]
    assert world.get(Notification, key).nudges == world.get(Detection, seen).nudges == 1


@pytest.mark.journey
def test_what_is_asked_for_in_vain_for_an_hour_is_asked_for_within_half_a_minute(
    frozen: time_machine.Traveller, queued: Queued, redis_server: redis.Redis
) -> None:
    world.waiting(channel=Channel.SMS)
    world.detection(desk_id=world.OTHER_DESK)
    sweep = Sweep()
    for _ in range(60):  # jobs that end at once, as while PostgreSQL refuses what they write
        sweep.turn()
        redis_server.flushdb()
        frozen.shift(60)
    waited = nudges_within(frozen, 30, sweep)
    assert queued("sms-single")
    assert queued("critical")
    assert waited


def test_a_row_that_is_due_again_was_not_nudged_yet(
    frozen: time_machine.Traveller, queued: Queued, redis_server: redis.Redis
) -> None:
    key = world.waiting(channel=Channel.SMS)
    sweep = Sweep()
    for _ in range(4):
        frozen.shift(20)
        sweep.turn()
        redis_server.flushdb()
    world.change(Notification, key, attempts=1, next_attempt_at=clock() + timedelta(seconds=5))
    assert nudges_within(frozen, 8, sweep) == [5]
    assert world.get(Notification, key).nudges == 1


def test_another_process_knows_what_was_nudged(
    frozen: time_machine.Traveller, queued: Queued, redis_server: redis.Redis
) -> None:
    world.waiting(channel=Channel.SMS)
    frozen.shift(3)
    assert Sweep().turn() == 1
    redis_server.flushdb()
    assert Sweep().turn() == 0


def test_many_that_wait_keep_no_lost_one_waiting(
    beside_a_crowd: UUID, frozen: time_machine.Traveller, queued: Queued, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("notifier.sweep._AT_ONCE", 2)
    frozen.shift(1)
    assert nudges_within(frozen, 3, Sweep()) == [1]
    assert queued("email-single") == [("notifier.jobs.deliver", [str(beside_a_crowd)])]
