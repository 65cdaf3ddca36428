"""No second holds more messages than a channel's provider takes."""

from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
import redis
from structlog.testing import capture_logs

from api.models.notification import Notification, State
from api.models.user import Channel
from configs.ground.clock import clock
from notifier.channels import batch_sender
from notifier.jobs import deliver
from tests.notifier.calls_world import wanted_call
from tests.notifier.world import alert, detection, get, matched, person, slots

if TYPE_CHECKING:
    from deploy.sandbox.running import Running

pytestmark = pytest.mark.usefixtures("database", "redis_server", "frozen")


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch, redis_server: redis.Redis) -> list[float]:
    """Let each second that is slept through end at once; return how long they were."""
    seconds: list[float] = []

    def end_second(wait: float) -> None:
        seconds.append(wait)
        redis_server.delete("notifier:rate:sms", "notifier:rate:telegram", "notifier:rate:voice")

    monkeypatch.setattr(batch_sender, "sleep", end_second)
    return seconds


def take(channel: Channel) -> bool:
    return batch_sender.take_place(channel, lambda: True)


@pytest.mark.rule("6.8")
@pytest.mark.parametrize(
    ("channel", "places", "seconds"),
    [(Channel.TELEGRAM, 6, 0.2), (Channel.SMS, 2, 0.2), (Channel.VOICE, 1, 1)],
)
def test_no_second_holds_more_than_the_rate(
    channel: Channel, places: int, seconds: float, redis_server: redis.Redis
) -> None:
    """Nor does a fifth of one: a single message waits for no longer beside a crowd."""
    for _ in range(places):
        assert batch_sender.take_place(channel, lambda: False)
    assert not batch_sender.take_place(channel, lambda: False)
    assert seconds / 2 < redis_server.pttl(f"notifier:rate:{channel.value}") / 1000 <= seconds


def test_who_finds_no_place_waits_for_the_next_one(slept: list[float]) -> None:
    for number in range(20):
        assert take(Channel.TELEGRAM)
        assert len(slept) == number // 6
    assert all(0 < each <= 0.2 for each in slept)


def test_a_window_ends_by_itself(redis_server: redis.Redis) -> None:
    redis_server.set("notifier:rate:sms", 1)  # by a program that died between counting and its end
    assert take(Channel.SMS)
    assert 0 < redis_server.pttl("notifier:rate:sms") <= 200
    redis_server.set("notifier:rate:sms", 1, px=150)
    assert take(Channel.SMS)
    assert redis_server.pttl("notifier:rate:sms") <= 150, "no message prolongs it"


def test_each_channel_has_a_rate_of_its_own_and_mail_has_none(
    slept: list[float], settings_env: Callable[..., None]
) -> None:
    settings_env(SMS_PER_SECOND="10")
    assert take(Channel.SMS)
    assert take(Channel.SMS)
    assert not batch_sender.take_place(Channel.SMS, lambda: False)
    assert all(take(Channel.EMAIL) for _ in range(100))
    assert slept == []


def test_without_redis_the_provider_says_what_is_too_much(
    settings_env: Callable[..., None], closed_port: int
) -> None:
    settings_env(REDIS_URL=f"redis://127.0.0.1:{closed_port}/0")
    with capture_logs() as logs:
        assert take(Channel.TELEGRAM)
    assert [each["event"] for each in logs] == ["no rate: Redis is away"]


def test_a_message_without_a_place_before_its_lease_ends_costs_no_attempt(
    sandbox: "Running", settings_env: Callable[..., None], redis_server: redis.Redis
) -> None:
    settings_env(SMS_PER_SECOND="1", LEASE_SECONDS="5")
    alert(person(channels=(Channel.SMS,)))
    (key,) = matched(detection(slots()))
    redis_server.set("notifier:rate:sms", 1, px=60_000)
    deliver(str(key))
    row = get(Notification, key)
    assert (row.state, row.attempts, row.reason) == (State.PENDING, 0, None)
    assert row.next_attempt_at <= clock() + timedelta(seconds=1)
    redis_server.delete("notifier:rate:sms")
    deliver(str(key))
    assert len(sandbox.messages("sms")) == 1


def test_a_call_without_a_place_lets_its_worker_go_on(
    sandbox: "Running", slept: list[float], redis_server: redis.Redis, settings_env: Callable[..., None]
) -> None:
    settings_env(API_URL="http://127.0.0.1:4000")
    key = wanted_call()
    redis_server.set("notifier:rate:voice", 1, px=60_000)
    deliver(str(key))
    row = get(Notification, key)
    assert (row.state, row.attempts, slept) == (State.PENDING, 0, [])
    redis_server.delete("notifier:rate:voice")
    deliver(str(key))
    assert get(Notification, key).state is State.SENT
