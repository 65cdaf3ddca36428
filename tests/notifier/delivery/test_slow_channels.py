"""A channel that hangs holds up its own messages only."""

from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
import time_machine

from api.models.user import Channel
from notifier.delivery import slow_channels
from notifier.jobs import match
from tests.notifier.world import OTHER_DESK, alert, detection, notifications, person, slots

if TYPE_CHECKING:
    from deploy.sandbox.running import Running


@pytest.fixture(autouse=True)
def awake(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no channel rest in the tests that follow."""
    monkeypatch.setattr(slow_channels, "_rests", {})


def test_a_channel_that_was_slow_rests_for_a_while(
    frozen: time_machine.Traveller, settings_env: Callable[..., None]
) -> None:
    settings_env(CHANNEL_REST_SECONDS="30")
    slow_channels.record_latency(Channel.SMS, 0.9)
    assert not slow_channels.is_open(Channel.SMS)
    slow_channels.record_latency(Channel.SMS, 1.1)
    assert slow_channels.is_open(Channel.SMS)
    assert not slow_channels.is_open(Channel.EMAIL)
    frozen.shift(timedelta(seconds=30))
    assert not slow_channels.is_open(Channel.SMS)


def test_a_good_answer_ends_the_rest(settings_env: Callable[..., None]) -> None:
    settings_env()
    slow_channels.record_latency(Channel.SMS, 10)
    slow_channels.record_latency(Channel.SMS, 0.1)
    assert not slow_channels.is_open(Channel.SMS)


@pytest.mark.rule("3.7")
def test_what_goes_by_a_channel_that_hangs_is_left_to_its_own_workers(
    whole: "Running",
    queued: Callable[[str], list[tuple[str, list[Any]]]],
    settings_env: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings_env(PROVIDER_TIMEOUT_SECONDS="0.2")
    monkeypatch.setattr(slow_channels, "_SLOW_SECONDS", 0.1)
    alert(person(channels=(Channel.EMAIL, Channel.TELEGRAM)), {"desk_id": OTHER_DESK})
    alert(person())
    whole.provider_mode("email", "timeout")
    match(str(detection()))
    match(str(detection(slots(desk_id=OTHER_DESK), desk_id=OTHER_DESK)))
    assert [each.channel for each in whole.messages()] == ["telegram"]
    waiting = [row.id for row in notifications() if row.attempts == 0]
    assert queued("email-critical") == [("notifier.jobs.deliver", [str(key)]) for key in waiting]
