"""The Telegram message about slots changes its text once they are gone; no further message comes."""

from datetime import time, timedelta
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa
import time_machine

from api.models.base import engine, session
from api.models.desk import DeskState
from api.models.notification import Notice, Notification, State
from api.models.slot import GoneReason, SlotRow
from api.models.user import Channel, Contact
from configs.ground.clock import clock
from notifier.jobs import catch_up, deliver
from tests.notifier import world

if TYPE_CHECKING:
    from tests.running_sandbox import Running

pytestmark = pytest.mark.usefixtures("whole")


@pytest.fixture
def camille(whole: "Running", frozen: time_machine.Traveller) -> world.Person:
    who = world.person(channels=(Channel.TELEGRAM,))
    world.alert(who)
    return who


@pytest.mark.rule("4.12")
def test_the_message_is_edited_after_five_minutes_and_no_new_one_comes(
    whole: "Running", frozen: time_machine.Traveller, camille: world.Person
) -> None:
    opened = world.announce()
    world.gone(opened)
    frozen.shift(timedelta(minutes=4, seconds=59))
    world.prove()
    frozen.shift(timedelta(minutes=10))
    assert world.run_job() == [], "no check has looked again"
    world.prove()
    (edit,) = world.run_job()
    (message,) = whole.messages()
    assert message.text_before is not None
    assert "Créneau détecté" in message.text_before
    assert "Ce créneau n’est plus proposé" in message.text
    assert "Essonne (91)" in message.text
    assert "10:14" in message.text
    assert not any(button.url for button in message.draft.buttons), "answers alone are left"
    assert message.text.count("<b>&") == 0
    (row,) = [each for each in world.notifications() if each.id == edit]
    assert (row.kind, row.state, row.provider_id) == ("slot_gone", State.DELIVERED, message.provider_id)
    frozen.shift(60)
    assert world.run_job() == [], "it is done once"


def test_a_message_with_a_slot_that_is_open_stays(
    whole: "Running", frozen: time_machine.Traveller, camille: world.Person
) -> None:
    first, second = world.announce(world.MORNING, world.MORNING + timedelta(hours=1))
    world.stay_gone(frozen, [first])
    assert world.run_job() == []
    frozen.shift(60)
    world.stay_gone(frozen, [second])
    assert len(world.run_job()) == 1
    assert "Ces créneaux ne sont plus proposés" in whole.messages()[0].text


@pytest.mark.rule("4.12")
def test_a_slot_that_came_back_is_not_gone(
    whole: "Running", frozen: time_machine.Traveller, camille: world.Person
) -> None:
    (opened,) = world.announce()
    world.gone([opened])
    frozen.shift(60)
    world.change(SlotRow, opened, gone_at=None, gone_reason=None)
    frozen.shift(timedelta(minutes=10))
    world.prove()
    assert world.run_job() == []
    world.stay_gone(frozen, [opened])
    assert len(world.run_job()) == 1
    assert whole.messages()[0].edited_at is not None


def test_a_place_whose_hours_showed_up_is_gone_with_the_last_of_them(
    whole: "Running", frozen: time_machine.Traveller, camille: world.Person
) -> None:
    (unknown,) = world.slots(["open"])
    deliver(*map(str, world.matched(world.detection([unknown]))))
    frozen.shift(60)
    world.change(SlotRow, unknown, gone_at=clock(), gone_reason=GoneReason.SUPERSEDED)
    hours = world.slots([world.MORNING], seen_at=clock())
    frozen.shift(timedelta(minutes=10))
    world.prove()
    assert world.run_job() == []
    world.stay_gone(frozen, hours)
    assert len(world.run_job()) == 1


def test_an_hour_is_not_gone_while_its_place_is_called_open(
    whole: "Running", frozen: time_machine.Traveller, camille: world.Person
) -> None:
    opened = world.announce()
    (place,) = world.slots(["open"])
    world.stay_gone(frozen, opened)
    assert world.run_job() == []
    world.stay_gone(frozen, [place])
    assert len(world.run_job()) == 1


def test_an_hour_is_gone_while_another_hour_of_its_place_is_open(
    whole: "Running", frozen: time_machine.Traveller, camille: world.Person
) -> None:
    opened = world.announce()
    world.slots([world.MORNING + timedelta(hours=1)])
    world.stay_gone(frozen, opened)
    assert len(world.run_job()) == 1


def test_a_slot_that_a_crawler_writes_just_now_is_waited_for_by_nobody(
    whole: "Running", frozen: time_machine.Traveller, camille: world.Person
) -> None:
    world.stay_gone(frozen, world.announce())
    with engine().begin() as writer:
        writer.execute(sa.text("SELECT FROM slots FOR UPDATE"))
        assert world.write_edits() == []
    with engine().begin() as detecting:
        detecting.execute(sa.text("SELECT FROM slots FOR KEY SHARE"))
        assert len(world.run_job()) == 1


def test_what_a_crawler_whose_clock_is_ahead_saw_go_is_gone_by_its_own_clock(
    whole: "Running", frozen: time_machine.Traveller, camille: world.Person
) -> None:
    (opened,) = world.announce()
    ahead = clock() + timedelta(hours=1)
    world.change(SlotRow, opened, seen_at=ahead, gone_at=ahead, gone_reason=GoneReason.TAKEN)
    world.change(DeskState, world.DESK, last_proven_at=ahead + timedelta(minutes=5))
    assert len(world.run_job()) == 1


def test_a_slot_that_lapsed_was_not_proven_gone(
    frozen: time_machine.Traveller, camille: world.Person
) -> None:
    (opened,) = world.announce()
    world.change(SlotRow, opened, gone_at=clock(), gone_reason=GoneReason.LAPSED)
    frozen.shift(timedelta(minutes=10))
    world.prove()
    assert world.run_job() == []
    assert world.marked() == [False]


def test_several_desks_in_one_message_are_waited_for(
    whole: "Running", frozen: time_machine.Traveller
) -> None:
    who = world.person(channels=(Channel.TELEGRAM,))
    world.alert(who, {"desk_id": world.DESK}, {"desk_id": world.OTHER_DESK})
    opened = [world.slots(desk_id=world.DESK), world.slots(desk_id=world.OTHER_DESK)]
    written = [
        world.matched(world.detection(ids, desk_id=desk))
        for ids, desk in zip(opened, (world.DESK, world.OTHER_DESK), strict=True)
    ]
    deliver(str(written[0][0]))
    (message,) = whole.messages()
    world.stay_gone(frozen, opened[0])
    assert world.run_job() == []
    world.stay_gone(frozen, opened[1], world.OTHER_DESK)
    assert len(world.run_job()) == 1
    assert whole.messages()[0].provider_id == message.provider_id
    assert whole.messages()[0].edited_at is not None


def test_a_message_of_two_days_ago_stays(
    whole: "Running", frozen: time_machine.Traveller, camille: world.Person
) -> None:
    opened = world.announce()
    frozen.shift(timedelta(hours=48))
    world.stay_gone(frozen, opened)
    assert world.run_job() == []


def test_an_edit_that_waited_too_long_is_left_out(
    whole: "Running", frozen: time_machine.Traveller, camille: world.Person
) -> None:
    world.stay_gone(frozen, world.announce())
    (edit,) = world.write_edits()
    frozen.shift(timedelta(hours=48))
    deliver(str(edit))
    assert [each.reason for each in world.notifications(State.EXPIRED)] == ["too old to be edited"]


def test_an_alert_that_caught_up_is_told_too(whole: "Running", frozen: time_machine.Traveller) -> None:
    opened = world.slots()
    world.matched(world.detection(opened))
    frozen.shift(60)
    world.matched(world.detection(world.slots([world.MORNING + timedelta(days=1)], place="2")))
    late = world.alert(world.person(channels=(Channel.TELEGRAM,)))
    catch_up(str(late))
    deliver(*[str(each.id) for each in world.notifications(State.PENDING)])
    assert len(whole.messages()) == 1
    with session() as s:
        every = list(s.scalars(sa.select(SlotRow.id)))
    world.stay_gone(frozen, every)
    assert len(world.run_job()) == 1


def test_a_message_that_its_reader_deleted_is_no_dead_letter(
    whole: "Running", frozen: time_machine.Traveller, camille: world.Person
) -> None:
    opened = world.announce()
    whole.reset()
    world.stay_gone(frozen, opened)
    (edit,) = world.run_job()
    (row,) = world.notifications(State.EXPIRED)
    assert (row.id, row.reason) == (edit, "telegram: message to edit not found")


def test_an_edit_whose_answer_was_lost_is_taken_for_done(
    whole: "Running", frozen: time_machine.Traveller, camille: world.Person
) -> None:
    world.stay_gone(frozen, world.announce())
    (edit,) = world.run_job()
    frozen.shift(60)
    world.change(Notification, edit, state=State.PENDING, next_attempt_at=clock())
    deliver(str(edit))
    assert [each.state for each in world.notifications() if each.id == edit] == [State.DELIVERED]


def test_a_chat_that_was_switched_off_is_left_alone(
    whole: "Running", frozen: time_machine.Traveller, camille: world.Person
) -> None:
    world.stay_gone(frozen, world.announce())
    world.change(Contact, camille.contacts[Channel.TELEGRAM], enabled=False)
    world.run_job()
    assert [each.reason for each in world.notifications(State.SKIPPED)] == ["switched off"]
    assert whole.messages()[0].edited_at is None


def test_the_notice_is_marked_also_of_people_without_telegram(
    whole: "Running", frozen: time_machine.Traveller, camille: world.Person
) -> None:
    world.alert(world.person(channels=(Channel.EMAIL,)))
    first, second = world.announce(world.MORNING, world.MORNING + timedelta(hours=1))
    world.stay_gone(frozen, [first])
    world.run_job()
    assert world.marked() == [False, False]
    frozen.shift(60)
    world.stay_gone(frozen, [second])
    world.run_job()
    assert world.marked() == [True, True]


def test_a_notice_waits_for_every_alert_of_its_user(
    whole: "Running", frozen: time_machine.Traveller, camille: world.Person
) -> None:
    early = world.person(channels=(Channel.EMAIL,))
    world.alert(early, {"desk_id": world.DESK, "hour_to": time(10)})
    first, _ = world.announce(world.MORNING, world.MORNING + timedelta(hours=3))
    world.stay_gone(frozen, [first])
    world.run_job()
    gone_for = {each.user_id for each in world.all_of(Notice) if each.gone_at}
    assert gone_for == {early.id}
