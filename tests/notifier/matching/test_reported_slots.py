"""Slots of reports: in doubt they are told to those who asked for that, corroborated to all, and nobody is told twice."""

import re
from datetime import date, time, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
import time_machine

from api.models.desk import HostState, Source
from api.models.notification import Match, Notice, Notification, State
from api.models.report import LOOK_REQUESTED, PageOpening
from api.models.slot import GoneReason, SlotRow
from api.models.user import Channel, User
from configs.ground.clock import clock
from configs.world.prefecture import desks
from notifier.jobs import deliver
from tests.factories import add_report, change, one, rows, save
from tests.notifier import world

if TYPE_CHECKING:
    from tests.running_sandbox import Running

pytestmark = pytest.mark.usefixtures("database", "redis_server", "frozen")
DESK = f"{world.PREFECTURE}/naturalisation-evry"
REPORTED: dict[str, Any] = {"source": Source.REPORT}


def waiting(*channels: Channel, **columns: Any) -> world.Person:
    who = world.person(channels=channels or (Channel.EMAIL,), addresses=None)
    world.alert(who, {"desk_id": DESK})
    change(User, User.id == who.id, **{"told_in_doubt": False, **columns})
    return who


def saw(slots: list[int] | None = None, *, in_doubt: bool, is_again: bool = False) -> list[int]:
    """Have people see slots of one opening, the first of which names it, and match what follows; return the slots."""
    slots = world.slots(["open"], DESK) if slots is None else slots
    change(SlotRow, SlotRow.id.in_(slots), source=Source.REPORT, in_doubt=in_doubt)
    opening: dict[str, Any] = {"opening_id": UUID(int=slots[0]), "is_again": is_again, "in_doubt": in_doubt}
    world.told(world.matched(world.detection(slots, DESK, **opening, **REPORTED)))
    return slots


def told(kind: str = "slot_detected") -> list[tuple[UUID | None, Channel]]:
    return [(each.user_id, each.channel) for each in rows(Notification, Notification.kind == kind)]


@pytest.mark.rule("11.1")
def test_in_doubt_those_who_asked_for_it_are_told_corroborated_all_others() -> None:
    doubting = waiting(Channel.EMAIL, Channel.SMS, told_in_doubt=True)
    usual = waiting(Channel.TELEGRAM, Channel.PUSH)
    slots = saw(in_doubt=True)
    assert told() == [(doubting.id, Channel.EMAIL)]
    assert world.rearm(desk_id=DESK) == [], "no round tells what is in doubt"
    saw(slots, in_doubt=False)
    assert set(told()[1:]) == {(usual.id, Channel.TELEGRAM), (usual.id, Channel.PUSH)}
    late = waiting()
    world.rearm(desk_id=DESK)
    assert told()[-1] == (late.id, Channel.EMAIL)
    assert {each.params["source"] for each in rows(Notification)} == {"report"}


def test_who_has_just_reported_them_is_told_nothing_of_it() -> None:
    reporters = [waiting(told_in_doubt=True) for _ in range(2)]
    usual = waiting()
    for each in reporters:
        add_report(each.id, desk_id=DESK, state="counted")
    saw(saw(in_doubt=True), in_doubt=False)
    world.rearm(desk_id=DESK)
    assert told() == [(usual.id, Channel.EMAIL)]


def test_at_most_five_who_agreed_are_asked_to_look_awake_three_times_a_day(
    frozen: time_machine.Traveller,
) -> None:
    asked = [waiting(may_be_asked=True) for _ in range(6)]
    waiting(may_be_asked=True, quiet_from=time(0), quiet_until=time(23, 59))
    looked = waiting(may_be_asked=True)
    waiting()
    for times in range(1, 5):
        add_report(looked.id, desk_id=DESK)
        change(SlotRow, gone_at=clock(), gone_reason=GoneReason.LAPSED)
        saw(in_doubt=True)
        of_each = [told(LOOK_REQUESTED).count((each.id, Channel.EMAIL)) for each in asked]
        assert max(of_each) == min(times, 3)
        assert min(5 * times, 17) <= sum(of_each) <= min(5 * times, 18)
        frozen.shift(timedelta(hours=1))
    assert {each for each, _ in told(LOOK_REQUESTED)} == {each.id for each in asked}


def test_no_message_that_waits_leaves_once_an_operator_stopped_the_host() -> None:
    asleep = {"quiet_from": time(0), "quiet_until": time(23, 59)}
    for columns in (asleep, {"may_be_asked": True}):
        waiting(**columns)
    slots = world.slots(["open"], DESK)
    change(SlotRow, source=Source.REPORT, in_doubt=True)
    asked = world.matched(world.detection(slots, DESK, in_doubt=True, **REPORTED))
    change(SlotRow, in_doubt=False)
    written = world.matched(world.detection(slots, DESK, **REPORTED))
    host = desks()[DESK].host
    save(HostState(host=host, stopped_at=clock(), stop_reason="asked to", updated_at=clock()))
    change(User, quiet_from=None, quiet_until=None)
    change(Notification, next_attempt_at=clock(), held_for=None)
    deliver(*map(str, asked + written))
    states = [each.state for each in rows(Notification)]
    assert (len(states), {*states} <= {State.SKIPPED, State.EXPIRED}) == (3, True)


@pytest.mark.parametrize(
    ("in_doubt", "words"),
    [
        (True, "une personne dit avoir vu des créneaux à 10 h 00"),
        (False, "des personnes ont vu des créneaux à 10 h 00"),
    ],
)
def test_the_words_say_who_saw_them(in_doubt: bool, words: str) -> None:
    waiting(told_in_doubt=True)
    saw(in_doubt=in_doubt)
    assert words in one(Notice).body


def test_corroboration_edits_the_page_and_the_chat_of_those_told_in_doubt_and_sends_nothing(
    whole: "Running",
) -> None:
    waiting(Channel.TELEGRAM, Channel.EMAIL, told_in_doubt=True)
    slots = world.slots(["open"], DESK)
    for in_doubt in (True, False):
        change(SlotRow, source=Source.REPORT, in_doubt=in_doubt)
        found = world.detection(slots, DESK, in_doubt=in_doubt, opening_id=UUID(int=1), **REPORTED)
        deliver(*map(str, world.matched(found)))
    mail, chat = sorted(whole.messages(), key=lambda each: each.channel)
    assert "Une personne dit avoir vu des créneaux" in mail.text
    assert "Une personne dit avoir vu des créneaux" in (chat.text_before or "")
    assert "Des personnes ont vu des créneaux" in chat.text
    assert "des personnes ont vu des créneaux" in one(Notice).body


@pytest.mark.parametrize("in_doubt", [True, False])
def test_new_days_of_an_opening_tell_only_those_whose_limits_met_none_before_and_once(in_doubt: bool) -> None:
    early = waiting(Channel.EMAIL, Channel.TELEGRAM, told_in_doubt=True)
    late = world.person(channels=(Channel.EMAIL,), addresses=None)
    world.alert(late, {"desk_id": DESK, "date_from": date(2026, 12, 10)})
    change(User, User.id == late.id, told_in_doubt=True)
    first = saw(world.slots(["2026-12-01"], DESK), in_doubt=in_doubt)
    assert told() == [(early.id, Channel.EMAIL), (early.id, Channel.TELEGRAM)]
    every = saw([*first, *world.slots(["2026-12-02", "2026-12-11"], DESK)], in_doubt=in_doubt)
    assert told()[2:] == [(late.id, Channel.EMAIL)]
    saw([*every, *world.slots(["2026-12-12"], DESK)], in_doubt=in_doubt)
    world.rearm(desk_id=DESK)
    assert len(told()) == 3
    assert sorted(len(list_slots(each)) for each in rows(Match)) == [2, 4], (
        "what they were told names the new days"
    )


def list_slots(match: Match) -> set[int]:
    ranges = re.findall(r"\[(\d+),(\d+)\)", str(match.slots))
    return {each for first, end in ranges for each in range(int(first), int(end))}


def test_a_second_telling_goes_by_what_is_free_to_all_but_who_looked(
    frozen: time_machine.Traveller,
) -> None:
    usual, misled = waiting(Channel.EMAIL, Channel.SMS), waiting()
    pressed, looked, opened = waiting(), waiting(), waiting()
    slots = saw(in_doubt=False)
    later = waiting(Channel.SMS)
    assert {who for who, _ in told()} == {each.id for each in (usual, misled, pressed, looked, opened)}
    add_report(pressed.id, "slots", desk_id=DESK)
    add_report(misled.id, "none", desk_id=DESK)  # before others saw it: what led there may have been a lie
    save(PageOpening(user_id=misled.id, desk_id=DESK, opened_at=clock(), networks=[]))
    frozen.shift(timedelta(minutes=6))
    add_report(looked.id, "none", desk_id=DESK)
    save(PageOpening(user_id=opened.id, desk_id=DESK, opened_at=clock(), networks=[]))
    before = len(told())
    saw(slots, in_doubt=False, is_again=True)
    assert set(told()[before:]) == {
        (usual.id, Channel.EMAIL), (misled.id, Channel.EMAIL), (later.id, Channel.SMS),
    }  # fmt: skip
    saw(slots, in_doubt=False)
    assert len(told()) == before + 3
