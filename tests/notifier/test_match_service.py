from collections import Counter
from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import UUID

import pytest
import time_machine

from api.models.alert import Alert
from api.models.base import session
from api.models.notification import Match, Notification, Priority, State
from api.models.slot import Detection, GoneReason, SlotRow
from api.models.user import Channel, Contact, ContactState, User
from configs.ground.clock import clock
from notifier.content.message_kind_base import SLOT_DETECTED, ClaimedRow, Skip
from notifier.delivery import delivery
from notifier.message_kinds import kind_of
from tests.notifier.world import (
    DESK,
    MORNING,
    OTHER_DESK,
    TOWN_HALLS,
    alert,
    all_of,
    at_once,
    change,
    confirm,
    detection,
    get,
    gone,
    matched,
    notifications,
    person,
    rearm,
    slots,
    told,
    told_pairs,
)

if TYPE_CHECKING:
    from deploy.sandbox.running import Running

pytestmark = pytest.mark.usefixtures("database")


def test_a_match_its_slots_and_a_notification_are_written_together() -> None:
    who = person()
    waiting = alert(who)
    seen_at = clock() - timedelta(seconds=3)
    opened = slots([MORNING, MORNING + timedelta(hours=1)], seen_at=seen_at)
    seen = detection(opened, seen_at=seen_at, committed_at=seen_at + timedelta(seconds=1))
    (made,) = matched(seen)
    (decided,) = all_of(Match)
    assert (decided.alert_id, decided.detection_id, decided.limits_version) == (waiting, seen, 1)
    assert told_pairs() == {(waiting, slot) for slot in opened}
    row = get(Notification, made)
    assert row.announcement_id == decided.announcement_id
    assert (row.user_id, row.contact_id, row.channel) == (who.id, who.contacts[Channel.EMAIL], Channel.EMAIL)
    assert (row.state, row.priority, row.kind) == (State.PENDING, Priority.CRITICAL, "slot_detected")
    found = get(Detection, seen)
    assert (row.seen_at, row.committed_at) == (found.seen_at, found.committed_at), "the page's own time"
    assert row.matched_at == found.matched_at >= row.committed_at


def test_many_workers_that_match_at_once_tell_once() -> None:
    for _ in range(3):
        alert(person())
    seen = detection()
    made: list[list[UUID]] = []
    at_once(*[lambda: made.append(matched(seen))] * 4)
    assert sorted(len(each) for each in made) == [0, 0, 0, 3]
    assert (len(all_of(Match)), len(notifications())) == (3, 3)


@pytest.mark.rule("3.4")
def test_matching_and_catching_up_at_once_tell_once() -> None:
    waiting = alert(person())
    seen = detection()
    at_once(lambda: matched(seen), lambda: rearm(waiting))
    assert len(notifications()) == 1


@pytest.mark.rule("3.4")
def test_slots_that_an_alert_caught_up_with_are_not_told_by_the_detections_that_opened_them() -> None:
    now = clock()
    waiting, other = alert(person()), alert(person())
    first = detection(slots(place="1", seen_at=now), seen_at=now)
    later = now + timedelta(seconds=1)
    second = detection(slots(place="2", seen_at=later), seen_at=later)
    assert len(rearm(waiting)) == 1  # of both, with the later one
    assert [get(Notification, each).user_id for each in matched(first)] == [get(Alert, other).user_id]
    assert [get(Notification, each).user_id for each in matched(second)] == [get(Alert, other).user_id]


def test_a_limit_of_sites_rejects_no_town_hall_of_a_department() -> None:
    waiting = alert(person(), {"desk_id": TOWN_HALLS, "sites": ["Évry"]})
    seen = detection(desk_id=TOWN_HALLS, procedures=["PASSEPORT"], site="Mairie d’Évry")
    assert len(matched(seen)) == 1
    assert [pair[0] for pair in told_pairs()] == [waiting]


def test_a_message_is_in_french_where_there_are_none_in_the_users_language() -> None:
    expected = dict[UUID, str]()
    for language, spoken in {"fr": "fr", "en": "en", "ar": "ar", "hi": "hi", "tlh": "fr"}.items():
        who, other = person(), person()
        change(User, who.id, language=language)
        alert(who)
        alert(other, language=language)
        expected |= {who.id: spoken, other.id: spoken}
    rows = [get(Notification, each) for each in matched(detection())]
    assert {row.user_id: row.language for row in rows} == expected


def test_a_contact_that_cannot_be_reached_gets_no_row() -> None:
    for values in ({"verified_at": None}, {"enabled": False}, {"state": ContactState.BOUNCED}):
        who = person(channels=(Channel.EMAIL, Channel.SMS))
        change(Contact, who.contacts[Channel.SMS], **values)
        alert(who)
    assert [get(Notification, each).channel for each in matched(detection())] == [Channel.EMAIL] * 3


def end(made: Iterable[UUID], states: Iterable[State], reason: str = "refused") -> None:
    """Let messages end, each in its state."""
    for key, state in zip(made, states, strict=True):
        change(Notification, key, state=state, reason=reason, failed_at=clock())


@pytest.mark.rule("3.4")
def test_who_was_not_really_told_of_a_slot_is_told_when_it_is_seen_again() -> None:
    for _ in range(2):
        alert(person())
    opened = slots([MORNING])
    made = matched(detection(opened))
    assert matched(detection(opened)) == []
    end(made, [State.EXPIRED, State.SKIPPED], "slots gone")
    assert len(matched(detection(opened))) == 2
    assert rearm() == []


def test_a_message_that_failed_told_nobody_and_is_not_written_again_in_each_round(
    frozen: time_machine.Traveller,
) -> None:
    for _ in range(2):
        alert(person())
    opened = slots([MORNING])
    end(matched(detection(opened)), [State.FAILED, State.BOUNCED])
    assert rearm() == []
    frozen.shift(timedelta(minutes=29))
    confirm(opened)
    assert rearm() == []
    frozen.shift(timedelta(minutes=2))
    confirm(opened)
    assert len(rearm()) == 2
    assert rearm() == []


def test_who_was_not_told_by_a_message_that_failed_is_told_when_the_slot_is_back() -> None:
    waiting = [alert(person()) for _ in range(2)]
    opened = slots([MORNING])
    for _ in range(2):
        end(matched(detection(opened)), [State.FAILED, State.BOUNCED])
    assert [len(rearm(each)) for each in waiting] == [1, 1]


def test_a_slot_of_a_crawler_whose_clock_is_ahead_is_told_once() -> None:
    for desk_id, ahead in ((DESK, timedelta(minutes=11)), (OTHER_DESK, timedelta(hours=20))):
        alert(person(), {"desk_id": desk_id})
        seen_at = clock() + ahead
        opened = slots([MORNING], desk_id=desk_id, seen_at=seen_at)
        told(matched(detection(opened, desk_id=desk_id, seen_at=seen_at)))
        for _ in range(3):
            assert rearm(desk_id=desk_id) == [], ahead


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
        alert(person(channels=(channel,)))
    opened = slots([MORNING])
    ended: dict[UUID, tuple[State, Channel]] = {}
    for made in matched(detection(opened)):
        row = get(Notification, made)
        left = [each for each in tells + lost if each not in ended.values() and each[1] is row.channel]
        ended[row.user_id] = left[0]
        change(
            Notification, made, state=left[0][0], accepted_at=clock(), failed_at=clock(), reason="unknown: no answer",
            unknown_attempts=4,
        )  # fmt: skip
    frozen.shift(timedelta(hours=3))
    confirm(opened)
    assert sorted(ended[get(Notification, each).user_id] for each in rearm()) == sorted(lost)


def test_another_contact_that_was_told_is_enough() -> None:
    alert(person(channels=(Channel.EMAIL, Channel.SMS)))
    mail, _sms = matched(detection())
    told([mail])
    change(Notification, _sms, state=State.EXPIRED, reason="x", failed_at=clock())
    assert rearm() == []


def test_an_alert_made_while_slots_are_open_is_told_of_them_at_once() -> None:
    alert(person())
    opened = slots([MORNING, MORNING + timedelta(hours=1)])
    matched(detection(opened[:1]))
    matched(detection(opened[1:]))
    late = alert(person())
    (made,) = rearm(late)
    assert {slot for alert_id, slot in told_pairs() if alert_id == late} == set(opened)
    row = get(Notification, made)
    assert row.seen_at == max(get(SlotRow, slot).seen_at for slot in opened)
    assert row.committed_at is None
    assert rearm(late) == []


def test_a_slot_that_nobody_confirmed_lately_is_not_caught_up(settings_env: Callable[..., None]) -> None:
    waiting = alert(person())
    detection(seen_at=clock() - timedelta(minutes=16))
    assert rearm(waiting) == []


# Telling of what is open while something was told before


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


def test_who_has_a_phone_alone_that_is_off_is_sent_an_sms_each_six_hours(
    frozen: time_machine.Traveller,
) -> None:
    for channel in (Channel.SMS, Channel.EMAIL):
        alert(person(channels=(channel,)))
    matched(detection(opened := slots([MORNING])))
    for _ in range(12):
        for each in notifications(State.PENDING):
            now = {"accepted_at": clock(), "failed_at": clock()}
            change(Notification, each.id, state=State.BOUNCED, reason="twilio 30003", **now)
        frozen.shift(timedelta(minutes=30, seconds=1))
        confirm(opened)
        rearm()
    assert Counter(row.channel for row in notifications()) == {Channel.SMS: 2, Channel.EMAIL: 13}


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
