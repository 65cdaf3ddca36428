from collections import Counter
from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import UUID

import pytest
import time_machine

from api.models.base import session
from api.models.notification import Match, Notification, Priority, State
from api.models.slot import Detection, GoneReason, SlotRow
from api.models.user import Channel, Contact, ContactState, User
from configs.ground.clock import clock
from notifier.content.message_kind_base import SLOT_DETECTED, ClaimedRow, Skip
from notifier.delivery import delivery
from notifier.message_kinds import kind_of
from tests.notifier import world

if TYPE_CHECKING:
    from tests.running_sandbox import Running

pytestmark = pytest.mark.usefixtures("database")


def test_a_match_its_slots_and_a_notification_are_written_together() -> None:
    who = world.person()
    waiting = world.alert(who)
    seen_at = clock() - timedelta(seconds=3)
    opened = world.slots([world.MORNING, world.MORNING + timedelta(hours=1)], seen_at=seen_at)
    seen = world.detection(opened, seen_at=seen_at, committed_at=seen_at + timedelta(seconds=1))
    (made,) = world.matched(seen)
    (decided,) = world.all_of(Match)
    assert (decided.alert_id, decided.detection_id, decided.limits_version) == (waiting, seen, 1)
    assert world.told_pairs() == {(waiting, slot) for slot in opened}
    row = world.get(Notification, made)
    assert row.announcement_id == decided.announcement_id
    assert (row.user_id, row.contact_id, row.channel) == (who.id, who.contacts[Channel.EMAIL], Channel.EMAIL)
    assert (row.state, row.priority, row.kind) == (State.PENDING, Priority.CRITICAL, "slot_detected")
    found = world.get(Detection, seen)
    assert (row.seen_at, row.committed_at) == (found.seen_at, found.committed_at), "the page's own time"
    assert row.matched_at == found.matched_at >= row.committed_at


def test_many_workers_that_match_at_once_tell_once() -> None:
    for _ in range(3):
        world.alert(world.person())
    seen = world.detection()
    made: list[list[UUID]] = []
    world.at_once(*[lambda: made.append(world.matched(seen))] * 4)
    assert sorted(len(each) for each in made) == [0, 0, 0, 3]
    assert (len(world.all_of(Match)), len(world.notifications())) == (3, 3)


@pytest.mark.rule("3.4")
def test_matching_and_catching_up_at_once_tell_once() -> None:
    waiting = world.alert(world.person())
    seen = world.detection()
    world.at_once(lambda: world.matched(seen), lambda: world.rearm(waiting))
    assert len(world.notifications()) == 1


def test_a_limit_of_sites_rejects_no_town_hall_of_a_department() -> None:
    waiting = world.alert(world.person(), {"desk_id": world.TOWN_HALLS, "sites": ["Évry"]})
    seen = world.detection(desk_id=world.TOWN_HALLS, procedures=["PASSEPORT"], site="Mairie d’Évry")
    assert len(world.matched(seen)) == 1
    assert [pair[0] for pair in world.told_pairs()] == [waiting]


def test_a_message_is_in_french_where_there_are_none_in_the_users_language() -> None:
    expected = dict[UUID, str]()
    for language, spoken in {"fr": "fr", "en": "en", "ar": "ar", "hi": "hi", "tlh": "fr"}.items():
        who, other = world.person(), world.person()
        world.change(User, who.id, language=language)
        world.alert(who)
        world.alert(other, language=language)
        expected |= {who.id: spoken, other.id: spoken}
    rows = [world.get(Notification, each) for each in world.matched(world.detection())]
    assert {row.user_id: row.language for row in rows} == expected


def test_a_contact_that_cannot_be_reached_gets_no_row() -> None:
    for values in ({"verified_at": None}, {"enabled": False}, {"state": ContactState.BOUNCED}):
        who = world.person(channels=(Channel.EMAIL, Channel.SMS))
        world.change(Contact, who.contacts[Channel.SMS], **values)
        world.alert(who)
    assert [world.get(Notification, each).channel for each in world.matched(world.detection())] == [
        Channel.EMAIL
    ] * 3


def end(made: Iterable[UUID], states: Iterable[State]) -> None:
    """Let messages end, each in its state."""
    for key, state in zip(made, states, strict=True):
        world.change(Notification, key, state=state, reason="refused", failed_at=clock())


@pytest.mark.rule("3.4")
@pytest.mark.parametrize("ends", [[State.EXPIRED, State.SKIPPED], [State.FAILED, State.BOUNCED]])
def test_who_was_not_really_told_of_a_slot_is_told_when_it_is_seen_again(ends: list[State]) -> None:
    waiting = [world.alert(world.person()) for _ in range(2)]
    opened = world.slots([world.MORNING])
    made = world.matched(world.detection(opened))
    assert world.matched(world.detection(opened)) == []
    end(made, ends)
    end(world.matched(world.detection(opened)), ends)
    assert [len(world.rearm(each)) for each in waiting] == [1, 1]
    assert world.rearm() == []


def test_a_message_that_failed_told_nobody_and_is_not_written_again_in_each_round(
    frozen: time_machine.Traveller,
) -> None:
    for _ in range(2):
        world.alert(world.person())
    opened = world.slots([world.MORNING])
    end(world.matched(world.detection(opened)), [State.FAILED, State.BOUNCED])
    assert world.rearm() == []
    frozen.shift(timedelta(minutes=29))
    world.confirm(opened)
    assert world.rearm() == []
    frozen.shift(timedelta(minutes=2))
    world.confirm(opened)
    assert len(world.rearm()) == 2
    assert world.rearm() == []


def test_a_slot_of_a_crawler_whose_clock_is_ahead_is_told_once() -> None:
    for desk_id, ahead in ((world.DESK, timedelta(minutes=11)), (world.OTHER_DESK, timedelta(hours=20))):
        world.alert(world.person(), {"desk_id": desk_id})
        seen_at = clock() + ahead
        opened = world.slots([world.MORNING], desk_id=desk_id, seen_at=seen_at)
        world.told(world.matched(world.detection(opened, desk_id=desk_id, seen_at=seen_at)))
        for _ in range(3):
            assert world.rearm(desk_id=desk_id) == [], ahead


def test_a_message_that_arrived_or_may_have_tells(frozen: time_machine.Traveller) -> None:
    tells = [
        (State.SENT, Channel.EMAIL),
        (State.DELIVERED, Channel.EMAIL),
        (State.NO_RECEIPT, Channel.EMAIL),
        (State.FAILED, Channel.EMAIL),
        (State.EXPIRED, Channel.SMS),
        (State.SKIPPED, Channel.SMS),
    ]
    lost = [(State.EXPIRED, Channel.EMAIL), (State.SKIPPED, Channel.EMAIL)]  # a worker may have died before
    for _, channel in tells + lost:
        world.alert(world.person(channels=(channel,)))
    opened = world.slots([world.MORNING])
    ended: dict[UUID, tuple[State, Channel]] = {}
    for made in world.matched(world.detection(opened)):
        row = world.get(Notification, made)
        left = [each for each in tells + lost if each not in ended.values() and each[1] is row.channel]
        ended[row.user_id] = left[0]
        world.change(
            Notification, made, state=left[0][0], accepted_at=clock(), failed_at=clock(), reason="unknown: no answer",
            unknown_attempts=4,
        )  # fmt: skip
    frozen.shift(timedelta(hours=3))
    world.confirm(opened)
    assert sorted(ended[world.get(Notification, each).user_id] for each in world.rearm()) == sorted(lost)


def test_another_contact_that_was_told_is_enough() -> None:
    world.alert(world.person(channels=(Channel.EMAIL, Channel.SMS)))
    mail, _sms = world.matched(world.detection())
    world.told([mail])
    world.change(Notification, _sms, state=State.EXPIRED, reason="x", failed_at=clock())
    assert world.rearm() == []


def test_an_alert_made_while_slots_are_open_is_told_of_them_at_once() -> None:
    world.alert(world.person())
    opened = world.slots([world.MORNING, world.MORNING + timedelta(hours=1)])
    world.matched(world.detection(opened[:1]))
    world.matched(world.detection(opened[1:]))
    late = world.alert(world.person())
    (made,) = world.rearm(late)
    assert {slot for alert_id, slot in world.told_pairs() if alert_id == late} == set(opened)
    row = world.get(Notification, made)
    assert row.seen_at == max(world.get(SlotRow, slot).seen_at for slot in opened)
    assert row.committed_at is None
    assert world.rearm(late) == []


def test_a_slot_that_nobody_confirmed_lately_is_not_caught_up(settings_env: Callable[..., None]) -> None:
    waiting = world.alert(world.person())
    world.detection(seen_at=clock() - timedelta(minutes=16))
    assert world.rearm(waiting) == []


# Telling of what is open while something was told before


def test_the_hours_of_a_place_told_as_open_by_a_clock_that_was_ahead_are_not_told_again() -> None:
    world.alert(world.person())
    ahead = clock() + timedelta(minutes=5)
    (place,) = world.slots(["open"], seen_at=ahead)
    world.told(world.matched(world.detection([place], seen_at=ahead)))
    world.change(SlotRow, place, gone_at=ahead, gone_reason=GoneReason.SUPERSEDED)
    world.slots([world.MORNING], seen_at=ahead)
    assert world.rearm() == []


@pytest.mark.usefixtures("redis_server")
def test_a_message_that_waited_while_the_hours_of_its_place_were_seen_tells_of_them(
    sandbox: "Running",
) -> None:
    world.alert(world.person())
    (place,) = world.slots(["open"])
    (made,) = world.matched(world.detection([place]))
    superseded = clock()
    world.change(SlotRow, place, gone_at=superseded, gone_reason=GoneReason.SUPERSEDED)
    world.slots([world.MORNING], seen_at=superseded)
    delivery.hand_over(delivery.claim([made]))
    assert world.get(Notification, made).state is State.SENT
    (mail,) = sandbox.messages("email")
    assert "9:30" in mail.text or "09:30" in mail.text
    assert "inconnue" not in mail.text


def test_who_has_a_phone_alone_that_is_off_is_sent_an_sms_each_six_hours(
    frozen: time_machine.Traveller,
) -> None:
    for channel in (Channel.SMS, Channel.EMAIL):
        world.alert(world.person(channels=(channel,)))
    world.matched(world.detection(opened := world.slots([world.MORNING])))
    for _ in range(12):
        for each in world.notifications(State.PENDING):
            now = {"accepted_at": clock(), "failed_at": clock()}
            world.change(Notification, each.id, state=State.BOUNCED, reason="twilio 30003", **now)
        frozen.shift(timedelta(minutes=30, seconds=1))
        world.confirm(opened)
        world.rearm()
    assert Counter(row.channel for row in world.notifications()) == {Channel.SMS: 2, Channel.EMAIL: 13}


def test_a_late_message_speaks_of_what_the_alert_was_not_told_of_before(
    frozen: time_machine.Traveller,
) -> None:
    waiting = world.alert(world.person())
    one, two = world.slots([world.MORNING, world.MORNING + timedelta(hours=1)])
    world.gone([two])
    world.told(world.matched(world.detection([one, two])))
    frozen.shift(timedelta(minutes=1))
    world.change(SlotRow, two, gone_at=None, gone_reason=None)
    (late,) = world.rearm(waiting)
    world.gone([two])
    frozen.shift(timedelta(minutes=5))
    with session() as s:
        row = s.get_one(Notification, late)
        claimed = ClaimedRow.of(row)
        seen = kind_of(SLOT_DETECTED).prepare(s, claimed, s.get_one(Contact, row.contact_id), clock())
    assert seen == Skip(State.EXPIRED, "slots gone")
