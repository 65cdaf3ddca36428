"""A message that says "gone" says "open again" once its slot returns, where no new message comes."""

from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
import time_machine

from api.models.user import Channel, SlotRhythm, User
from notifier.jobs import deliver
from notifier.message_edits import MOST_EDITS
from tests.notifier.edited_messages import announce, marked, missed_twice, prove, run_job, write_edits
from tests.notifier.world import (
    DESK,
    MORNING,
    OTHER_DESK,
    Person,
    alert,
    change,
    detection,
    matched,
    notifications,
    person,
    slots,
)  # fmt: skip

if TYPE_CHECKING:
    from deploy.sandbox.running import Running

pytestmark = pytest.mark.usefixtures("whole")
GONE, BACK = "Ce créneau n’est plus proposé", "Ce créneau est de nouveau proposé"


@pytest.fixture
def camille(whole: "Running", frozen: time_machine.Traveller) -> Person:
    who = person(channels=(Channel.TELEGRAM,))
    alert(who)
    return who


def come_back(frozen: time_machine.Traveller) -> list[int]:
    """Have the slot open again a minute later, which makes no message of its own; return its id."""
    frozen.shift(60)
    opened = slots([MORNING])
    assert matched(detection(opened)) == []
    prove()
    return opened


def read_kinds() -> Counter[str]:
    return Counter(each.kind for each in notifications() if each.kind != "slot_detected")


def test_a_slot_that_returns_within_half_an_hour_changes_the_message_back(
    whole: "Running", frozen: time_machine.Traveller, camille: Person
) -> None:
    first = announce(camille)
    buttons = whole.messages()[0].draft.buttons
    missed_twice(frozen, first)
    run_job()
    assert GONE in whole.messages()[0].text
    assert marked() == [True]
    come_back(frozen)
    assert len(run_job()) == 1
    (message,) = whole.messages()
    assert BACK in message.text
    assert "10:02" in message.text
    assert "jeudi 26 novembre 2026" in message.text
    assert "/l/stop/" in message.text
    assert message.text.count("<b>&") == 0
    assert message.draft.buttons == buttons
    assert marked() == [False]
    assert run_job() == []


def test_a_slot_that_goes_once_more_is_said_to_be_gone_again(
    whole: "Running", frozen: time_machine.Traveller, camille: Person
) -> None:
    missed_twice(frozen, announce(camille))
    run_job()
    again = come_back(frozen)
    run_job()
    missed_twice(frozen, again)
    assert len(run_job()) == 1
    (message,) = whole.messages()
    assert GONE in message.text
    assert not any(button.url for button in message.draft.buttons), "answers alone are left"
    assert marked() == [True]


def test_a_slot_that_flickers_changes_its_message_so_often_at_most_and_ends_as_gone(
    whole: "Running", frozen: time_machine.Traveller, camille: Person
) -> None:
    opened = announce(camille)
    for _ in range(MOST_EDITS + 2):
        missed_twice(frozen, opened)
        run_job()
        opened = come_back(frozen)
        run_job()
    assert read_kinds() == {"slot_gone": MOST_EDITS, "slot_reopened": MOST_EDITS - 1}
    assert GONE in whole.messages()[0].text
    assert len(whole.messages()) == 1


def test_a_slot_that_returns_later_has_a_message_of_its_own_and_the_old_one_stays(
    whole: "Running", frozen: time_machine.Traveller, camille: Person
) -> None:
    missed_twice(frozen, announce(camille))
    run_job()
    frozen.shift(timedelta(minutes=31))
    deliver(*map(str, matched(detection(slots([MORNING])))))
    prove()
    assert run_job() == []
    first, second = sorted(whole.messages(), key=lambda each: int(each.provider_id))
    assert GONE in first.text
    assert "Créneau détecté" in second.text
    assert marked() == [True, False]


def test_a_slot_that_went_before_the_edit_left_holds_it_back(
    whole: "Running", frozen: time_machine.Traveller, camille: Person
) -> None:
    missed_twice(frozen, announce(camille))
    run_job()
    again = come_back(frozen)
    (edit,) = write_edits()
    missed_twice(frozen, again)
    deliver(str(edit))
    (row,) = (each for each in notifications() if each.id == edit)
    assert (row.kind, row.state.value, row.reason) == ("slot_reopened", "expired", "gone again")
    assert GONE in whole.messages()[0].text
    assert run_job() == [], "the message says so already"
    come_back(frozen)
    assert len(run_job()) == 1
    assert BACK in whole.messages()[0].text


def test_a_message_that_is_still_to_be_marked_as_gone_waits_for_that(
    whole: "Running", frozen: time_machine.Traveller, camille: Person
) -> None:
    missed_twice(frozen, announce(camille))
    (edit,) = write_edits()
    come_back(frozen)
    assert write_edits() == []
    deliver(str(edit))
    assert run_job() == []
    assert "Créneau détecté" in whole.messages()[0].text


def test_a_message_about_several_desks_names_the_one_that_is_open_again(
    whole: "Running", frozen: time_machine.Traveller
) -> None:
    who = person(channels=(Channel.TELEGRAM,))
    alert(who, {"desk_id": DESK}, {"desk_id": OTHER_DESK})
    opened = {desk: slots(desk_id=desk) for desk in (DESK, OTHER_DESK)}
    written = [matched(detection(ids, desk_id=desk)) for desk, ids in opened.items()]
    deliver(str(written[0][0]))
    for desk, ids in opened.items():
        missed_twice(frozen, ids, desk)
    run_job()
    assert "Ces créneaux ne sont plus proposés" in whole.messages()[0].text
    come_back(frozen)
    run_job()
    (message,) = whole.messages()
    assert BACK in message.text
    assert message.text.count("26 novembre 2026") == 1


def test_the_notice_of_a_person_without_telegram_is_unmarked_too(
    whole: "Running", frozen: time_machine.Traveller
) -> None:
    who = person(channels=(Channel.EMAIL,))
    alert(who)
    missed_twice(frozen, announce(who))
    run_job()
    assert marked() == [True]
    come_back(frozen)
    run_job()
    assert marked() == [False]


def test_a_slot_that_flickers_makes_one_notice_for_who_wants_a_digest(
    whole: "Running", frozen: time_machine.Traveller
) -> None:
    who = person(channels=(Channel.EMAIL, Channel.TELEGRAM))
    alert(who)
    change(User, who.id, slot_rhythm=SlotRhythm.DAILY)
    for _ in range(3):
        missed_twice(frozen, announce(who))
        run_job()
    assert marked() == [True]
    announce(who)
    prove()
    run_job()
    assert marked() == [False]
    frozen.shift(timedelta(minutes=40))
    announce(who, MORNING + timedelta(days=1))
    assert marked() == [False, False]
