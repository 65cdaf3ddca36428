"""Messages that no receipt came for: counted, and a slot alert by SMS is sent once on another channel."""

from datetime import timedelta
from uuid import UUID

import pytest
import time_machine

from api.models.notification import Notification, State
from api.models.user import Channel, Contact
from configs.ground.clock import clock
from notifier.delivery.retry_policy import NO_RECEIPT_SECONDS
from notifier.jobs import apply_receipts, deliver
from notifier.sweep import Sweep
from tests.notifier.receipts_world import send_sms_state
from tests.notifier.world import alert, change, detection, get, matched, notifications, person

pytestmark = pytest.mark.usefixtures("whole")
SMS, EMAIL = Channel.SMS, Channel.EMAIL


def send(*channels: Channel) -> dict[Channel, UUID]:
    """Send one slot alert on each channel of a person; return the ids."""
    alert(person(channels=channels))
    keys = matched(detection())
    deliver(*map(str, keys))
    return {get(Notification, key).channel: key for key in keys}


def pass_ten_minutes(frozen: time_machine.Traveller) -> None:
    frozen.shift(timedelta(seconds=NO_RECEIPT_SECONDS() + 1))
    Sweep().turn()


def test_an_sms_without_a_receipt_is_told_once_on_another_channel(frozen: time_machine.Traveller) -> None:
    keys = send(SMS, EMAIL)
    change(Notification, keys[EMAIL], state=State.FAILED, reason="refused", failed_at=clock())
    before = len(notifications())
    pass_ten_minutes(frozen)
    Sweep().turn()
    assert get(Notification, keys[SMS]).state is State.NO_RECEIPT
    assert len(notifications()) == before + 1
    (made,) = notifications(State.PENDING)
    lost = get(Notification, keys[SMS])
    assert (made.channel, made.kind, made.dedupe_key) == (EMAIL, "slot_detected", f"fallback:{lost.id}")
    assert (made.matched_at, made.params) == (lost.matched_at, lost.params)


def test_what_another_channel_told_is_not_told_again(frozen: time_machine.Traveller) -> None:
    keys = send(SMS, EMAIL)
    pass_ten_minutes(frozen)
    assert get(Notification, keys[SMS]).state is State.NO_RECEIPT
    assert notifications(State.PENDING) == []


def test_a_channel_that_is_switched_off_stays_so(frozen: time_machine.Traveller) -> None:
    keys = send(SMS, EMAIL)
    mail = get(Notification, keys[EMAIL])
    change(Notification, mail.id, state=State.FAILED, reason="refused", failed_at=clock())
    change(Contact, mail.contact_id, enabled=False)
    pass_ten_minutes(frozen)
    assert notifications(State.PENDING) == []


def test_nothing_is_expected_of_telegram_or_of_mail_without_a_key(frozen: time_machine.Traveller) -> None:
    keys = send(EMAIL, Channel.TELEGRAM)
    pass_ten_minutes(frozen)
    states = [get(Notification, keys[each]).state for each in (EMAIL, Channel.TELEGRAM)]
    assert states == [State.SENT, State.DELIVERED]


def test_a_receipt_that_comes_a_day_late_counts_and_tells_nothing_again(
    frozen: time_machine.Traveller,
) -> None:
    keys = send(SMS, EMAIL)
    change(Notification, keys[EMAIL], state=State.FAILED, reason="refused", failed_at=clock())
    pass_ten_minutes(frozen)
    (fallback,) = notifications(State.PENDING)
    deliver(str(fallback.id))
    frozen.shift(timedelta(days=1))
    send_sms_state(keys[SMS], "delivered")
    apply_receipts()
    Sweep().turn()
    row = get(Notification, keys[SMS])
    assert (row.state, row.delivered_at) == (State.DELIVERED, clock())
    assert notifications(State.PENDING) == []
    assert get(Notification, fallback.id).state is State.SENT


@pytest.mark.parametrize("late", [timedelta(seconds=1), timedelta(days=1)])
def test_an_sms_that_bounces_after_its_fallback_is_not_told_once_more(
    late: timedelta, frozen: time_machine.Traveller
) -> None:
    keys = send(SMS, EMAIL)
    change(Notification, keys[EMAIL], state=State.FAILED, reason="refused", failed_at=clock())
    pass_ten_minutes(frozen)
    before = len(notifications())
    frozen.shift(late)
    send_sms_state(keys[SMS], "undelivered", "30003")
    apply_receipts()
    assert get(Notification, keys[SMS]).state is State.BOUNCED
    assert len(notifications()) == before
