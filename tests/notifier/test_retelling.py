"""Telling of what is open while something was told before: once per opening, and never too little."""

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
import time_machine

from api.models.base import session
from api.models.notification import Notification, State
from api.models.slot import GoneReason, SlotRow
from api.models.user import Channel, Contact
from configs.ground.clock import clock
from notifier.content.message_kind_base import SLOT_DETECTED, ClaimedRow, Skip
from notifier.delivery import delivery
from notifier.matching import match_service
from notifier.message_kinds import kind_of
from tests.notifier.world import (
    DESK,
    MORNING,
    alert,
    change,
    confirm,
    detection,
    get,
    gone,
    in_one_transaction,
    matched,
    notifications,
    person,
    rearm,
    slots,
    told,
)  # fmt: skip

if TYPE_CHECKING:
    from deploy.sandbox.running import Running

pytestmark = pytest.mark.usefixtures("database")


def in_round() -> list[Any]:
    return in_one_transaction(match_service.find_untold, DESK, clock()) and rearm()


def test_the_hours_of_a_place_told_as_open_by_a_clock_that_was_ahead_are_not_told_again() -> None:
    alert(person())
    ahead = clock() + timedelta(minutes=5)
    (place,) = slots(["open"], seen_at=ahead)
    told(matched(detection([place], seen_at=ahead)))
    change(SlotRow, place, gone_at=ahead, gone_reason=GoneReason.SUPERSEDED)
    slots([MORNING], seen_at=ahead)
    assert rearm() == []


@pytest.mark.usefixtures("redis_server")
def test_a_message_that_waited_while_the_hours_of_its_place_were_seen_tells_of_them(
    sandbox: "Running",
) -> None:
    alert(person())
    (place,) = slots(["open"])
    (made,) = matched(detection([place]))
    superseded = clock()
    change(SlotRow, place, gone_at=superseded, gone_reason=GoneReason.SUPERSEDED)
    slots([MORNING], seen_at=superseded)
    delivery.deliver([made])
    assert get(Notification, made).state is State.SENT
    (mail,) = sandbox.messages("email")
    assert "9:30" in mail.text or "09:30" in mail.text
    assert "inconnue" not in mail.text


def test_what_expired_unsent_is_told_when_its_slot_is_confirmed_again(frozen: time_machine.Traveller) -> None:
    waiting = alert(person())
    detection(opened := slots([MORNING]))
    for _ in range(3):
        (made,) = rearm(waiting)
        change(Notification, made, state=State.EXPIRED, reason="slots not confirmed", failed_at=clock())
        frozen.shift(timedelta(minutes=20))
        confirm(opened)


@pytest.mark.parametrize(("channel", "most"), [(Channel.SMS, 1), (Channel.EMAIL, 12)])
def test_who_has_a_phone_alone_that_is_off_is_sent_an_sms_each_six_hours(
    channel: Channel, most: int, frozen: time_machine.Traveller
) -> None:
    alert(person(channels=(channel,)))
    matched(detection(opened := slots([MORNING])))
    for _ in range(12):
        for each in notifications(State.PENDING):
            now = {"accepted_at": clock(), "failed_at": clock()}
            change(Notification, each.id, state=State.BOUNCED, reason="twilio 30003", **now)
        frozen.shift(timedelta(minutes=30, seconds=1))
        confirm(opened)
        in_round()
    assert len(notifications()) - 1 == most


def test_a_late_message_speaks_of_what_the_alert_was_not_told_of_before(
    frozen: time_machine.Traveller,
) -> None:
    waiting = alert(person())
    one, two = slots([MORNING, MORNING + timedelta(hours=1)])
    gone([two])
    told(matched(detection([one, two])))
    frozen.shift(timedelta(minutes=1))
    change(SlotRow, two, gone_at=None, gone_reason=None)
    (late,) = rearm(waiting)
    gone([two])
    with session() as s:
        row = s.get_one(Notification, late)
        claimed = ClaimedRow.of(row)
        seen = kind_of(SLOT_DETECTED).prepare(s, claimed, s.get_one(Contact, row.contact_id), clock())
    assert seen == Skip(State.EXPIRED, "slots gone")
