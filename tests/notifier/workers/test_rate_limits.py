"""No provider gets more than its rate; no worker sleeps meanwhile."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import pytest
import redis
import time_machine
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.exc import OperationalError
from structlog.testing import capture_logs

from api.models.notification import Notification, Priority, State
from api.models.user import Channel
from configs.clock import clock
from notifier.jobs import deliver
from notifier.nudges import WaitingWork
from notifier.sweep import Sweep
from notifier.workers import rate_limits
from tests.notifier.world import (
    DESK,
    OTHER_DESK,
    Person,
    alert,
    detection,
    get,
    matched,
    notifications,
    person,
    slots,
)  # fmt: skip

if TYPE_CHECKING:
    from deploy.sandbox.running import Running

pytestmark = pytest.mark.usefixtures("database", "redis_server", "frozen")
Queued = Callable[[str], list[tuple[str, list[Any]]]]


def message(
    channel: Channel = Channel.TELEGRAM,
    contact: UUID | None = None,
    priority: Priority = Priority.CRITICAL,
    *,
    in_crowd: bool = False,
) -> WaitingWork:
    return WaitingWork(uuid4(), channel, priority, contact or uuid4(), in_crowd=in_crowd)


def crowd_of(number: int, channel: Channel = Channel.TELEGRAM) -> list[WaitingWork]:
    return [message(channel, in_crowd=True) for _ in range(number)]


def unhurried(number: int) -> list[WaitingWork]:
    return [message(priority=Priority.SCHEDULED) for _ in range(number)]


def leaves(each: WaitingWork) -> bool:
    """Ask for a token; the row, which `rates.allow` would put off, is not there."""
    turn = rate_limits.find_turn(each)
    return turn is not None and turn <= clock()


def take(several: list[WaitingWork], seconds: float, frozen: time_machine.Traveller) -> dict[UUID, datetime]:
    """Ask every tenth of a second for all that found no token yet; return when each found one."""
    found: dict[UUID, datetime] = {}
    for _ in range(round(seconds * 10)):
        found |= {each.id: clock() for each in several if each.id not in found and leaves(each)}
        frozen.shift(0.1)
    return found


def most_in_a_second(instants: list[datetime]) -> int:
    return max(sum(0 <= (other - one).total_seconds() < 1 for other in instants) for one in instants)


def test_a_burst_goes_at_once_up_to_the_rate() -> None:
    assert sum(rate_limits.allow(message()) for _ in range(40)) == 30


def test_telegram_takes_no_more_than_its_rate_in_any_second(frozen: time_machine.Traveller) -> None:
    several = [message() for _ in range(100)]
    found = take(several, 4, frozen)
    assert len(found) == 100
    assert most_in_a_second(list(found.values())) <= 30
    assert max(found.values()) - min(found.values()) <= timedelta(seconds=3.5)


def test_whoever_waits_keeps_the_place_in_line(frozen: time_machine.Traveller) -> None:
    first = [message() for _ in range(60)]
    take(first, 0.1, frozen)
    later = [message() for _ in range(60)]
    found = take([*later, *first], 5, frozen)
    assert max(found[each.id] for each in first[30:]) <= min(found[each.id] for each in later)


def test_messages_that_wait_for_one_contact_hold_one_place(
    redis_server: redis.Redis, frozen: time_machine.Traveller, settings_env: Callable[..., None]
) -> None:
    settings_env(SMS_PER_SECOND="1")
    assert leaves(message(Channel.SMS))
    contact = uuid4()
    crowd = [message(Channel.SMS, contact) for _ in range(5)]
    assert not any(leaves(each) for each in crowd)
    assert redis_server.zcard("notifier:rate:sms:line") == 1
    frozen.shift(1)
    assert leaves(crowd[2])


@pytest.mark.rule("6.8")
def test_messages_of_no_hurry_delay_no_critical_one(frozen: time_machine.Traveller) -> None:
    many = unhurried(300)
    take(many, 0.1, frozen)
    assert leaves(message())
    found = take(many, 1, frozen)
    assert 20 <= len(found) <= 48
    assert leaves(message())


def test_messages_of_no_hurry_come_one_after_the_other_and_all_leave(frozen: time_machine.Traveller) -> None:
    many, asked, found = unhurried(120), 0, dict[UUID, datetime]()
    due = {each.id: clock() for each in many}
    for _ in range(200):
        for each in many:
            if each.id not in found and due[each.id] <= clock():
                asked += 1
                due[each.id] = rate_limits.find_turn(each) or clock()
                if due[each.id] <= clock():
                    found[each.id] = clock()
        frozen.shift(0.1)
    assert len(found) == 120
    assert most_in_a_second(list(found.values())) <= 24
    assert asked <= 120 * 3


def test_critical_messages_that_wait_go_before_what_came_earlier_and_is_of_no_hurry(
    frozen: time_machine.Traveller,
) -> None:
    first = [message() for _ in range(90)]
    gone = take(first, 0.1, frozen)
    first = [each for each in first if each.id not in gone]
    later, hurried = unhurried(60), [message() for _ in range(30)]
    found = take([*later, *first, *hurried], 10, frozen)
    assert len(found) == 150
    assert max(found[each.id] for each in hurried) <= min(found[each.id] for each in later)


@pytest.mark.parametrize(("channel", "rate", "reserved"), [(Channel.TELEGRAM, 30, 5), (Channel.SMS, 10, 2)])
def test_a_crowd_leaves_a_part_of_the_rate_to_single_alerts(
    channel: Channel, rate: int, reserved: int, frozen: time_machine.Traveller
) -> None:
    crowd, at_once = crowd_of(rate * 5, channel), list[bool]()
    found = take(crowd, 0.1, frozen)
    assert len(found) == rate - reserved
    for _ in range(4):
        at_once += [leaves(message(channel)) for _ in range(reserved)]
        found |= take([each for each in crowd if each.id not in found], 1, frozen)
    assert all(at_once)
    assert len(found) >= 4 * (rate - reserved)
    assert most_in_a_second(list(found.values())) <= rate - reserved


def test_more_single_alerts_than_are_reserved_wait_beside_a_crowd_and_it_goes_on(
    frozen: time_machine.Traveller,
) -> None:
    crowd, several = crowd_of(200), [message() for _ in range(40)]
    take(crowd, 0.1, frozen)
    found = take([*several, *crowd], 10, frozen)
    assert max(found[each.id] for each in several) - min(found.values()) <= timedelta(seconds=4)
    assert most_in_a_second(list(found.values())) <= 30
    assert sum(each.id in found for each in crowd) >= 200 - 25


def test_a_crowd_keeps_the_order_in_which_it_came(frozen: time_machine.Traveller) -> None:
    first, later = crowd_of(50), crowd_of(50)
    gone = take(first, 0.1, frozen)
    first = [each for each in first if each.id not in gone]
    found = take([*later, *first], 6, frozen)
    assert max(found[each.id] for each in first) <= min(found[each.id] for each in later)


def line_up(
    crowd: list[WaitingWork], monkeypatch: pytest.MonkeyPatch
) -> tuple[set[UUID], dict[UUID, datetime]]:
    """Return whose jobs are due at once, and when the others are nudged; their rows are not there."""
    later = dict[UUID, datetime]()
    monkeypatch.setattr(rate_limits, "put_off", later.update)
    return {each.id for each in rate_limits.line_up(crowd)}, later


def test_a_crowd_is_lined_up_at_once_and_leaves_in_its_order_at_its_rate(
    frozen: time_machine.Traveller, monkeypatch: pytest.MonkeyPatch
) -> None:
    crowd, others = crowd_of(110), [message(), message(Channel.EMAIL, in_crowd=True)]
    at_once, later = line_up([*crowd, *others], monkeypatch)
    assert at_once == {each.id for each in [*crowd[:25], *others]}
    assert [round((later[each.id] - clock()).total_seconds()) for each in crowd[25:]] == [1] * 25 + [
        2
    ] * 25 + [3] * 25 + [4] * 10
    assert all(leaves(each) for each in crowd[:25])
    assert sum(leaves(message()) for _ in range(20)) == 5
    found = take(crowd[25:], 5, frozen)
    assert len(found) == 85
    assert all(found[each.id] >= later[each.id] for each in crowd[25:])
    assert most_in_a_second(list(found.values())) <= 25


def test_a_crowd_that_is_lined_up_again_keeps_its_places(monkeypatch: pytest.MonkeyPatch) -> None:
    crowd = crowd_of(60)
    assert line_up(crowd, monkeypatch) == line_up(crowd, monkeypatch)


def test_what_the_hourly_cap_holds_back_takes_no_place_in_line(
    redis_server: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = [each._replace(capped=True) for each in crowd_of(60)]
    assert line_up(held, monkeypatch) == ({each.id for each in held}, {})
    assert redis_server.keys("notifier:rate:*") == []


def test_without_redis_a_crowd_is_left_to_the_sweep(
    settings_env: Callable[..., None], monkeypatch: pytest.MonkeyPatch, closed_port: int
) -> None:
    """A job could not be queued either, and each attempt may take seconds."""
    settings_env(REDIS_URL=f"redis://127.0.0.1:{closed_port}/0")
    mail = message(Channel.EMAIL, in_crowd=True)
    with capture_logs() as logs:
        assert line_up([*crowd_of(60), mail], monkeypatch) == ({mail.id}, {})
    assert [each["event"] for each in logs] == ["not nudged, the sweep will"]


def test_a_crowd_of_which_one_has_a_broken_key_asks_for_tokens_job_by_job(
    redis_server: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    crowd = crowd_of(60)
    redis_server.rpush(f"notifier:rate:telegram:{crowd[7].contact_id}", "x")
    assert line_up(crowd, monkeypatch) == ({each.id for each in crowd}, {})


def test_a_place_given_by_a_clock_a_little_ahead_is_good_at_once(
    frozen: time_machine.Traveller, monkeypatch: pytest.MonkeyPatch
) -> None:
    crowd = crowd_of(60)
    at_once, _ = line_up(crowd, monkeypatch)
    frozen.shift(-0.2)
    assert all(leaves(each) for each in crowd if each.id in at_once)
    assert not any(leaves(each) for each in crowd if each.id not in at_once)


def test_without_the_database_a_crowd_is_nudged_as_a_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_turns: object) -> None:
        raise OperationalError("UPDATE", {}, OSError("away"))

    monkeypatch.setattr(rate_limits, "put_off", fail)
    crowd = crowd_of(60)
    assert rate_limits.line_up(crowd) == crowd


def test_without_single_alerts_a_rate_of_one_is_all_a_crowds(
    settings_env: Callable[..., None], frozen: time_machine.Traveller
) -> None:
    settings_env(SMS_PER_SECOND="1")
    assert len(take(crowd_of(3, Channel.SMS), 4, frozen)) == 3


@pytest.mark.rule("6.8")
def test_turns_that_were_missed_are_not_all_granted_at_once(frozen: time_machine.Traveller) -> None:
    several = [message() for _ in range(150)]
    gone = take(several, 0.1, frozen)
    frozen.shift(50)
    found = take([each for each in several if each.id not in gone], 10, frozen)
    assert len(found) == 120
    assert most_in_a_second(list(found.values())) <= 30


@pytest.mark.rule("6.8")
@given(
    st.lists(
        st.tuples(
            st.integers(0, 40), st.sampled_from(["bulk", "single", "crowd", "lined"]), st.integers(0, 20)
        ),
        max_size=25,
    )
)
@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_no_second_holds_more_than_the_rate_whatever_comes(
    redis_server: redis.Redis,
    frozen: time_machine.Traveller,
    monkeypatch: pytest.MonkeyPatch,
    moves: list[tuple[int, str, int]],
) -> None:
    redis_server.flushdb()
    waiting, granted = list[WaitingWork](), list[datetime]()
    for number, what, tenths in moves:
        priority = Priority.BULK if what == "bulk" else Priority.CRITICAL
        come = [message(priority=priority, in_crowd=what in ("crowd", "lined")) for _ in range(number)]
        if what == "lined":
            line_up(come, monkeypatch)
        waiting += come
        allowed = [each for each in waiting if leaves(each)]
        granted += [clock()] * len(allowed)
        waiting = [each for each in waiting if each.id not in {one.id for one in allowed}]
        frozen.shift(tenths / 10)
    assert not granted or most_in_a_second(granted) <= 30


def test_one_chat_is_sent_one_message_a_second(frozen: time_machine.Traveller) -> None:
    chat = uuid4()
    found = take([message(contact=chat) for _ in range(4)], 5, frozen)
    assert most_in_a_second(list(found.values())) == 1
    assert len(found) == 4


def test_turns_of_a_clock_that_was_ahead_hold_nobody_up_when_it_is_right_again(
    frozen: time_machine.Traveller,
) -> None:
    chat, right = uuid4(), clock()
    frozen.shift(timedelta(days=1))
    crowd = [message(contact=chat) for _ in range(3)] + [message() for _ in range(60)] + unhurried(60)
    for each in crowd:
        leaves(each)
    frozen.move_to(right + timedelta(seconds=6))
    assert leaves(message(contact=chat))
    assert leaves(message())
    assert leaves(*unhurried(1))
    assert len(take(crowd, 10, frozen)) == len(crowd)


def test_sms_have_a_rate_of_their_own_and_mail_has_none(settings_env: Callable[..., None]) -> None:
    settings_env(SMS_PER_SECOND="2")
    assert [rate_limits.allow(message(Channel.SMS)) for _ in range(3)] == [True, True, False]
    assert all(rate_limits.allow(message(Channel.EMAIL)) for _ in range(100))


def test_without_redis_the_provider_says_what_is_too_much(
    settings_env: Callable[..., None], closed_port: int
) -> None:
    settings_env(REDIS_URL=f"redis://127.0.0.1:{closed_port}/0")
    with capture_logs() as logs:
        assert rate_limits.allow(message())
    assert [each["event"] for each in logs] == ["no rate tokens: Redis is away"]


def waits(who: Person, desk_id: str) -> UUID:
    (made,) = matched(detection(slots(desk_id=desk_id), desk_id=desk_id))
    return made


def test_a_row_that_is_put_off_waits_unless_it_is_being_sent_already(
    sandbox: "Running", frozen: time_machine.Traveller
) -> None:
    who, other = person(channels=(Channel.TELEGRAM,)), person(channels=(Channel.TELEGRAM,))
    alert(who, {"desk_id": DESK})
    alert(other, {"desk_id": OTHER_DESK})
    waiting, sent = waits(who, DESK), waits(other, OTHER_DESK)
    deliver(str(sent))
    before = get(Notification, sent).next_nudge_at
    turn = clock() + timedelta(seconds=90)
    rate_limits.put_off({waiting: turn, sent: turn, uuid4(): turn})
    assert get(Notification, sent).next_nudge_at == before
    assert turn <= get(Notification, waiting).next_nudge_at <= turn + timedelta(milliseconds=1)


def test_a_job_without_a_token_costs_no_attempt_and_comes_again_by_the_sweep(
    sandbox: "Running", queued: Queued, frozen: time_machine.Traveller, redis_server: redis.Redis
) -> None:
    who = person(channels=(Channel.TELEGRAM,))
    alert(who, {"desk_id": DESK}, {"desk_id": OTHER_DESK})
    deliver(str(waits(who, DESK)))
    key = waits(who, OTHER_DESK)
    deliver(str(key))
    row = get(Notification, key)
    assert (row.state, row.attempts) == (State.PENDING, 0)
    assert row.next_attempt_at <= clock() < row.next_nudge_at <= clock() + timedelta(seconds=1.1)
    frozen.shift(1.1)
    Sweep().turn()
    assert queued("telegram-critical") == [("notifier.jobs.deliver", [str(key)])]
    deliver(str(key))
    assert len(sandbox.messages("telegram")) == len(notifications(State.DELIVERED)) == 2
