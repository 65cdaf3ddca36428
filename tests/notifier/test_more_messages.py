"""The message that says how many alerts the hourly cap holds back."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
import time_machine

from api.models.notification import Notification, State
from api.models.user import CONTACT_CHANNELS, Channel, Contact, User
from configs.ground.clock import clock
from notifier.content.outgoing_message import account_page
from notifier.content.sms_text import segments
from notifier.jobs import deliver
from tests.notifier.world import (
    MORNING,
    alert,
    change,
    detection,
    match,
    notifications,
    person,
    slots,
    sweep,
)

if TYPE_CHECKING:
    from deploy.sandbox.running import Running

pytestmark = pytest.mark.usefixtures("whole")
Put = Callable[..., None]
ALL = (Channel.EMAIL, Channel.SMS, Channel.TELEGRAM)


def open_slots(first: int, count: int) -> list[int]:
    """Show so many slots of a desk, one after the other; deliver what may leave; return the slots."""
    opened = []
    for number in range(first, first + count):
        made = slots([MORNING + timedelta(minutes=number)], place=str(number))
        match(str(detection(made)))
        opened += made
    sweep()
    return opened


def notices(*states: State) -> list[Notification]:
    return [row for row in notifications(*states) if row.kind == "more_messages"]


@pytest.mark.parametrize("channel", CONTACT_CHANNELS)
def test_one_message_says_how_many_more_wait_and_where_they_are_shown(
    channel: Channel, whole: "Running", frozen: time_machine.Traveller, settings_env: Put
) -> None:
    settings_env(EMAIL_PER_HOUR="2", SMS_PER_HOUR="2", TELEGRAM_PER_HOUR="2", PUSH_PER_HOUR="2")
    alert(person(channels=(channel,)))
    open_slots(0, 5)
    assert len(whole.messages(channel.value)) == 1
    (waiting,) = notices(State.PENDING)
    assert (waiting.channel, waiting.language) == (channel, "fr")
    frozen.shift(31)
    sweep()
    _, message = whole.messages(channel.value)
    assert "4 autres alertes attendent" in f"{message.subject} {message.text}"
    shown = [button.url for button in message.draft.buttons] or message.text.split()
    if channel is Channel.PUSH:
        shown = [json.loads(message.custom["payload"])["url"]]
    assert account_page("messages") in shown
    assert channel is not Channel.SMS or segments(message.text) == 1


def test_a_person_is_told_once_an_hour_on_one_channel_of_what_waits_on_all(
    whole: "Running", frozen: time_machine.Traveller, settings_env: Put
) -> None:
    settings_env(USER_PER_HOUR="1")
    who = person(channels=ALL)
    change(User, who.id, language="en")
    alert(who)
    frozen.move_to(clock().replace(minute=0, second=5))
    open_slots(0, 3)
    assert len(whole.messages()) == 1
    for number in range(3, 7):
        frozen.shift(60)
        open_slots(number, 1)
    (told,) = notices()
    assert (told.state, told.language) in ((State.SENT, "en"), (State.DELIVERED, "en"))
    assert "4 more alerts are waiting" in str([each.text for each in whole.messages()])
    frozen.shift(timedelta(minutes=57))
    open_slots(20, 2)
    assert len(notices()) == 2


def test_nothing_is_said_where_what_waited_has_left_or_is_gone(
    whole: "Running", frozen: time_machine.Traveller, settings_env: Put
) -> None:
    settings_env(EMAIL_PER_HOUR="1")
    who = person()
    alert(who)
    open_slots(0, 2)
    (told,) = notifications(State.SENT)
    change(Notification, told.id, accepted_at=clock() - timedelta(hours=1))
    (waiting,) = [row for row in notifications(State.PENDING) if row.kind == "slot_detected"]
    change(Notification, waiting.id, next_attempt_at=clock())
    deliver(str(waiting.id))
    frozen.shift(31)
    sweep()
    (row,) = notices()
    assert (row.state, row.reason) == (State.EXPIRED, "nothing waits any more")
    assert len(whole.messages()) == 2


def test_a_contact_that_was_lost_meanwhile_is_told_nothing(
    whole: "Running", frozen: time_machine.Traveller, settings_env: Put
) -> None:
    settings_env(EMAIL_PER_HOUR="1")
    who = person()
    alert(who)
    open_slots(0, 2)
    change(Contact, who.contacts[Channel.EMAIL], enabled=False)
    frozen.shift(31)
    sweep()
    (row,) = notices()
    assert (row.state, row.reason) == (State.SKIPPED, "switched off")
    assert len(whole.messages()) == 1
