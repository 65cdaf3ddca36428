"""Alerts that matching holds back: a row with the reason, and never a thousand."""

from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import UUID

import pytest
import sqlalchemy as sa
import time_machine

from api.models.base import session
from api.models.notification import Notification, NotificationMatch, State
from api.models.slot import Detection, GoneReason, SlotRow
from api.models.user import Channel, Contact, ContactState
from configs.clock import clock
from configs.plan import PlanName
from notifier import match_batches
from notifier.jobs import deliver, match, match_part, rearm
from tests.notifier.world import (
    DESK,
    MORNING,
    alert,
    change,
    detection,
    for_procedure,
    gone,
    matched,
    notifications,
    person,
    slots,
)  # fmt: skip

if TYPE_CHECKING:
    from deploy.sandbox.running import Running

pytestmark = pytest.mark.usefixtures("whole")
EARLY = (State.SKIPPED, "told recently")
LATE = (State.EXPIRED, "slots gone")


def held() -> list[tuple[Channel, State, str | None]]:
    """Return what was held back when it was matched."""
    with session() as s:
        named = sa.select(NotificationMatch.notification_id)
        rows = s.scalars(
            sa.select(Notification).where(Notification.id.not_in(named)).order_by(Notification.channel)
        )
        return [(row.channel, row.state, row.reason) for row in rows]


def flicker() -> list[UUID]:
    """Show a slot, tell of it, take it; return what was written."""
    opened = slots()
    made = matched(detection(opened))
    deliver(*map(str, made))
    gone(opened)
    return made


def test_a_slot_that_comes_back_is_held_back_once_for_each_contact(frozen: time_machine.Traveller) -> None:
    who = person(channels=(Channel.EMAIL, Channel.SMS))
    alert(who, name="Maman")
    frozen.move_to(clock().replace(minute=1))
    assert len(flicker()) == 2
    frozen.shift(60)
    assert flicker() == []
    assert held() == [(Channel.EMAIL, *EARLY), (Channel.SMS, *EARLY)]
    (row, _) = notifications(State.SKIPPED)
    assert (row.user_id, row.params["desk_id"], row.attempts, row.failed_at) == (who.id, DESK, 0, clock())


def test_a_desk_that_flickers_a_thousand_times_writes_two_rows_at_most(
    frozen: time_machine.Traveller,
) -> None:
    alert(person())
    sent = len(flicker())
    for _ in range(12):
        frozen.shift(120)
        sent += len(flicker())
    assert sent == 1
    assert 1 <= len(held()) <= 2


def test_rounds_of_rearming_write_no_row(frozen: time_machine.Traveller) -> None:
    alert(person())
    flicker()
    frozen.shift(60)
    matched(detection(slots()))
    before = held()
    for _ in range(3):
        frozen.shift(60)
        rearm(DESK)
    assert held() == before


def test_what_was_held_back_is_told_when_the_half_hour_is_over(
    whole: "Running", frozen: time_machine.Traveller
) -> None:
    alert(person())
    flicker()
    frozen.shift(60)
    opened = slots()
    match(str(detection(opened)))
    assert len(whole.messages()) == 1
    frozen.shift(timedelta(minutes=30))
    with session() as s:
        s.execute(sa.update(SlotRow).where(SlotRow.id.in_(opened)).values(seen_at=clock()))
    rearm(DESK)
    assert len(whole.messages()) == 2


def test_slots_that_went_before_their_detection_was_matched_are_said_to_be_gone() -> None:
    alert(person(channels=(Channel.EMAIL, Channel.TELEGRAM)))
    opened = slots()
    seen = detection(opened)
    gone(opened)
    assert matched(seen) == []
    assert held() == [(Channel.EMAIL, *LATE), (Channel.TELEGRAM, *LATE)]


def test_who_gets_a_message_of_what_is_left_has_nothing_held_back() -> None:
    alert(person())
    alert(person(), for_procedure(weekdays=[1]))  # wants none of these days
    opened = slots([MORNING, MORNING + timedelta(hours=1)])
    seen = detection(opened)
    gone(opened[:1])
    assert len(matched(seen)) == 1
    assert held() == []


def test_unknown_hours_that_were_replaced_are_not_gone() -> None:
    alert(person())
    (place,) = slots(["open"])
    seen = detection([place])
    change(SlotRow, place, gone_at=clock(), gone_reason=GoneReason.SUPERSEDED)
    assert matched(seen) == []
    assert held() == []


def test_an_alert_that_caught_up_before_its_detection_was_matched_was_not_held_back() -> None:
    alert(person())
    seen = detection(slots())
    rearm(DESK)
    assert matched(seen) == []
    assert held() == []


def test_channels_outside_the_plan_and_contacts_that_are_lost_have_no_row() -> None:
    who = person(PlanName.URGENCE_7J, channels=(Channel.EMAIL, Channel.SMS, Channel.TELEGRAM))
    alert(who)
    change(Contact, who.contacts[Channel.TELEGRAM], state=ContactState.BLOCKED)
    opened = slots()
    seen = detection(opened)
    gone(opened)
    matched(seen)
    assert [each[0] for each in held()] == [Channel.EMAIL]


def test_a_crowd_s_parts_hold_back_as_one_match_does() -> None:
    for _ in range(3):
        alert(person())
    opened = slots()
    seen = detection(opened)
    gone(opened)
    with session() as s:
        numbers = match_batches.make_parts(s, s.get_one(Detection, seen))
    for number in numbers:
        match_part(str(seen), number)
    assert [each[1:] for each in held()] == [LATE] * 3
