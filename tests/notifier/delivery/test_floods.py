"""429 with a wait, of each provider: it is left alone for so long, and what cannot wait goes another way."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import time_machine

from api.models.notification import Notification, State
from api.models.user import Channel
from configs.ground.clock import clock
from notifier.channels import batch_sender
from notifier.channels.provider_base import Acceptance, OutcomeUnknown, RateLimited, read_wait
from notifier.sweep import Sweep
from tests.in_turn import in_turn
from tests.notifier import world
from tests.notifier.conftest import Answering, Posts

pytestmark = pytest.mark.usefixtures("database", "redis_server")
PEOPLE = 6
REFUSED = json.dumps({"code": 20429, "message": "Too many", "status": 429}).encode()


def watch(channel: Channel, *others: Channel) -> list[int]:
    """Open slots for people whom one channel reaches, and others beside it."""
    for number in range(PEOPLE):
        addresses = {Channel.SMS: f"+3361234500{number}", Channel.EMAIL: f"p{number}@example.org"}
        world.alert(world.person(channels=(channel, *others), addresses=addresses))
    seen = world.slots()
    world.match(str(world.detection(seen)))
    return seen


def pass_minutes(frozen: time_machine.Traveller, minutes: float, seen: list[int]) -> None:
    for _ in range(round(minutes * 12)):
        frozen.shift(timedelta(seconds=5))
        world.confirm(seen)
        world.sweep()
        world.deliver_queued()


@pytest.mark.parametrize(("channel", "name"), [(Channel.SMS, "twilio"), (Channel.EMAIL, "sendgrid")])
def test_a_provider_that_asks_for_ten_minutes_is_called_no_more_in_them(
    frozen: time_machine.Traveller,
    posts: Posts,
    settings_env: Callable[..., None],
    channel: Channel,
    name: str,
) -> None:
    settings_env(STAND_INS=f"{name}={posts.url}", MAIL_PROVIDERS="sendgrid", SMS_PER_SECOND="1000")
    posts.usual, posts.said = (429, REFUSED), {"Retry-After": "600"}
    seen = watch(channel)
    asked = len(posts.paths)
    assert 1 <= asked <= PEOPLE
    pass_minutes(frozen, 9.8, seen)
    assert len(posts.paths) == asked
    posts.usual = (202, b"") if channel is Channel.EMAIL else (201, b'{"sid": "SM1", "num_segments": "1"}')
    pass_minutes(frozen, 1, seen)
    assert {each.state for each in world.notifications()} == {State.SENT}


def test_an_sms_that_would_wait_for_minutes_is_told_by_mail_at_once_where_nothing_told_it(
    frozen: time_machine.Traveller,
    posts: Posts,
    settings_env: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings_env(STAND_INS=f"twilio={posts.url}", SMS_PER_SECOND="1000")
    posts.usual, posts.said = (429, REFUSED), {"Retry-After": "600"}
    mail = Answering(Acceptance("sendgrid", "1"))
    monkeypatch.setitem(batch_sender.providers(), "sendgrid", mail)
    seen = watch(Channel.SMS, Channel.EMAIL)
    mails = [each.id for each in world.notifications() if each.channel is Channel.EMAIL]
    for each in mails:
        world.change(Notification, each, state=State.FAILED, reason="refused", failed_at=clock())
    mail.taken.clear()
    Sweep().turn()
    pass_minutes(frozen, 0.1, seen)
    assert sorted(mail.taken) == [f"p{number}@example.org" for number in range(PEOPLE)]
    pass_minutes(frozen, 2, seen)
    assert len(mail.taken) == PEOPLE, "once"


@in_turn(
    "said, seconds",
    [
        (None, None), ("0", 0.0), ("30", 30.0), ("600", 600.0), ("86400", 86_400.0), ("86401", 45.0), ("-1", 45.0),
        ("1000000000", 45.0), ("2026-12-01", 45.0), ("soon", 45.0), ("", 45.0), (12, 12.0), ({}, 45.0),
    ],
)  # fmt: skip
def test_waits_that_make_no_sense_count_as_the_usual_one(said: object, seconds: float | None) -> None:
    assert read_wait(said) == seconds


def test_a_wait_of_an_hour_rests_a_provider_for_a_quarter(frozen: time_machine.Traveller) -> None:
    breaker = batch_sender.breaker_of("twilio", alternatives=False)
    breaker.record_flood(3600)
    assert breaker.read_wait() == 900
    breaker.record_success("another call's")
    frozen.shift(899)
    assert 0 < breaker.read_wait() <= 1
    frozen.shift(1)
    assert breaker.read_wait() == 0


class Editing(Answering):
    """Telegram whose first answers to edits are these."""

    def __init__(self, *answers: Exception) -> None:
        super().__init__(Acceptance("telegram", "55", delivered=True))
        self.left, self.edits = list(answers), 0

    def hand_over(self, messages: Any) -> Any:
        if messages[0].replaces:
            self.edits += 1
            if self.left:
                raise self.left.pop(0)
        return super().hand_over(messages)


@pytest.mark.parametrize(
    "met",
    [[OutcomeUnknown("502")], [RateLimited("429", 3), OutcomeUnknown("502")], [OutcomeUnknown("504")] * 3],
)
def test_an_edit_whose_fate_is_unknown_is_made_again(
    frozen: time_machine.Traveller, monkeypatch: pytest.MonkeyPatch, met: list[Exception]
) -> None:
    chat = Editing(*met)
    monkeypatch.setitem(batch_sender.providers(), "telegram", chat)
    world.alert(world.person(channels=(Channel.TELEGRAM,)))
    seen = world.announce()
    frozen.shift(timedelta(minutes=1))
    world.stay_gone(frozen, seen)
    world.run_job()
    for _ in range(60):
        frozen.shift(timedelta(seconds=30))
        world.sweep()
        world.deliver_queued()
    assert chat.edits == len(met) + 1
    assert {each.state for each in world.notifications()} == {State.DELIVERED}


@pytest.mark.parametrize(("name", "channel"), [("telegram", Channel.TELEGRAM), ("twilio", Channel.SMS)])
@pytest.mark.parametrize("status", [102, 103, 201, 204, 299])
def test_an_answer_that_is_no_refusal_refuses_nothing(
    posts: Posts, settings_env: Callable[..., None], name: str, channel: Channel, status: int
) -> None:
    settings_env(STAND_INS=f"{name}={posts.url}")
    posts.usual = (status, b"" if status == 204 else b'{"ok": false}')
    world.alert(world.person(channels=(channel,)))
    world.match(str(world.detection()))
    (row,) = world.notifications()
    assert (row.state, row.unknown_attempts) in [(State.PENDING, 1), (State.SENT, 0)]


def test_that_alerts_wait_is_told_by_what_is_free(
    frozen: time_machine.Traveller, settings_env: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("twilio", "sendgrid"):
        monkeypatch.setitem(batch_sender.providers(), name, Answering(Acceptance(name, "1")))
    settings_env(SMS_PER_HOUR="2", EMAIL_PER_HOUR="2")
    world.alert(world.person(channels=(Channel.SMS, Channel.EMAIL)))
    for number in range(4):
        world.show(number)
        world.sweep()
    frozen.shift(timedelta(seconds=40))
    world.sweep()
    assert [each.channel for each in world.notifications() if each.kind == "more_messages"] == [Channel.EMAIL]
