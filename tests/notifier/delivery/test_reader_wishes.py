"""Messages that their reader wants later or not at all, decided when they are claimed."""

import threading
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime, time, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
import time_machine

import notifier
from api.admin.health.status_report import read_messages, read_providers
from api.models.base import session
from api.models.notification import HeldFor, Notification, Priority, State
from api.models.user import CONTACT_CHANNELS, Channel, Contact, Grant, SlotRhythm, User
from api.users.preference_schemas import NotificationChanges
from api.users.preferences import wake_held
from api.users.service import change_notifications
from configs.ground.clock import clock
from configs.ground.message_groups import MessageGroup
from notifier.delivery import nudges, reader_wishes
from notifier.jobs import deliver
from notifier.message_kinds import kind_of
from notifier.sweep import undelivered
from tests.in_turn import in_turn
from tests.notifier import world
from tests.waiting import until

if TYPE_CHECKING:
    from tests.running_sandbox import Running

pytestmark = pytest.mark.usefixtures("whole")
NIGHT: dict[str, Any] = {"quiet_from": time(22), "quiet_until": time(7), "quiet_slots": True}
DAILY: dict[str, Any] = {"slot_rhythm": SlotRhythm.DAILY}


def at_paris(text: str) -> datetime:
    """Return an instant of November, an hour behind Paris."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC) - timedelta(hours=1)


def waiter(channels: tuple[Channel, ...] = (Channel.EMAIL,), **wishes: Any) -> world.Person:
    """Make a user with an alert and wishes."""
    who = world.person(channels=channels)
    world.alert(who)
    if wishes:
        world.change(User, who.id, **wishes)
    return who


show = partial(world.show, apart=timedelta(days=1))


def states() -> list[tuple[State, str | None]]:
    """Return each message's state, and why it ended or what it waits for."""
    return [
        (row.state, row.held_for if row.state is State.PENDING else row.reason)
        for row in world.notifications()
    ]


@in_turn(
    "wishes, held_for",
    [(NIGHT, HeldFor.QUIET_HOURS), (DAILY, HeldFor.DIGEST), (NIGHT | DAILY, HeldFor.DIGEST)],
)
def test_three_slots_open_at_night_and_one_message_names_the_one_that_is_left(
    wishes: dict[str, Any], held_for: HeldFor, whole: "Running", frozen: time_machine.Traveller
) -> None:
    world.start_anew(whole)
    frozen.move_to(at_paris("2026-11-21T01:00"))
    waiter(**wishes)
    taken = show(1) + show(2)
    frozen.shift(60)
    (left,) = show(3)
    world.sweep()
    assert whole.messages("email") == []
    assert states() == [(State.PENDING, held_for)] * 3
    frozen.move_to(at_paris("2026-11-21T06:00"))
    world.gone(taken)
    frozen.move_to(at_paris("2026-11-21T06:59:30"))
    world.confirm([left])
    world.sweep()
    assert whole.messages("email") == []
    frozen.move_to(at_paris("2026-11-21T07:00"))
    world.sweep()
    (mail,) = whole.messages("email")
    assert "29 novembre" in mail.text
    assert "27 novembre" not in mail.text
    assert "06:59:30" in mail.text  # when it was seen last
    assert states() == [(State.EXPIRED, "slots gone")] * 2 + [(State.SENT, None)]
    assert {row.held_for for row in world.notifications()} == {held_for}


def test_a_digest_names_several_desks_in_one_message_on_each_channel_and_is_asked_for_once(
    whole: "Running", frozen: time_machine.Traveller
) -> None:
    frozen.move_to(at_paris("2026-11-21T10:20"))
    who = world.person(channels=CONTACT_CHANNELS)
    world.alert(who, {"desk_id": world.OTHER_DESK})
    world.alert(who)
    world.change(User, who.id, slot_rhythm=SlotRhythm.HOURLY)
    seen = show(1) + show(2) + show(3, desk_id=world.OTHER_DESK)
    frozen.move_to(at_paris("2026-11-21T11:00"))
    world.confirm(seen)
    found = undelivered(clock())
    assert {world.get(Notification, each.id).contact_id for each in found} == set(who.contacts.values())
    nudges.ask_deliver_work(found)
    assert undelivered(clock()) == [], "no two workers part it"
    deliver(*(str(each.id) for each in found))
    for channel in CONTACT_CHANNELS:
        assert len(whole.messages(channel.value)) == 1
    assert {row.priority for row in world.notifications()} == {Priority.SCHEDULED}
    assert {row.committed_at for row in world.notifications()} == {None}  # no figure of delays


def test_a_plan_that_ends_before_the_digest_carries_what_was_seen_while_it_ran(
    whole: "Running", frozen: time_machine.Traveller
) -> None:
    frozen.move_to(at_paris("2026-11-21T01:00"))
    who = waiter(**DAILY)
    (grant,) = world.all_of(Grant)
    world.change(Grant, grant.id, ends_at=at_paris("2026-11-21T03:00"))
    seen = show(1)
    frozen.move_to(at_paris("2026-11-21T04:00"))
    show(2)
    frozen.move_to(at_paris("2026-11-21T07:00"))
    world.confirm(seen)
    world.sweep()
    (mail,) = whole.messages("email")
    assert "27 novembre" in mail.text
    assert [row.user_id for row in world.notifications()] == [who.id]


def test_a_message_that_waits_for_a_provider_is_held_where_quiet_hours_began_meanwhile(
    whole: "Running", frozen: time_machine.Traveller
) -> None:
    frozen.move_to(at_paris("2026-11-20T21:59:30"))
    waiter(**NIGHT)
    whole.provider_mode("email", "error_500")
    show(1)
    assert [row.state for row in world.notifications()] == [State.PENDING]
    whole.provider_mode("email", "normal")
    frozen.shift(60)
    world.sweep()
    (row,) = world.notifications()
    assert (row.state, row.held_for, row.attempts) == (State.PENDING, HeldFor.QUIET_HOURS, 1)
    assert row.priority is Priority.SCHEDULED
    assert (row.next_attempt_at, row.committed_at) == (at_paris("2026-11-21T07:00"), None)


def test_a_digest_that_nobody_sends_is_late_from_its_time_on_and_in_no_figure_of_delays(
    whole: "Running", frozen: time_machine.Traveller
) -> None:
    frozen.move_to(at_paris("2026-11-21T01:00"))
    waiter(**DAILY)
    seen = show(1)
    shown = [read_messages()]
    frozen.move_to(at_paris("2026-11-21T07:10"))
    shown += [read_messages()]
    assert [(each["on_the_way"], each["oldest_seconds"]) for each in shown] == [(0, None), (1, 600)]
    world.confirm(seen)
    world.sweep()
    assert len(whole.messages("email")) == 1
    (mail,) = (each for each in read_providers() if each["channel"] is Channel.EMAIL)
    assert (mail["accepted"], mail["median_ms"]) == (1, None)


def test_preferences_saved_while_a_message_is_claimed_hold_for_it(
    whole: "Running", frozen: time_machine.Traveller, monkeypatch: pytest.MonkeyPatch
) -> None:
    frozen.move_to(at_paris("2026-11-21T01:10"))
    who = waiter(**DAILY)
    shown = world.slots([world.MORNING], place="1")
    met, read = threading.Event(), reader_wishes.read_recipients

    def read_slowly(*given: Any) -> Any:
        found = read(*given)
        met.set()
        until(lambda: saving and (saving[0].done() or world.is_anyone_blocked()))
        return found

    at_once = NotificationChanges.model_validate({"slotRhythm": "at_once"})
    saving: list[Future[object]] = []
    with ThreadPoolExecutor(2) as threads, monkeypatch.context() as patched:
        patched.setattr("notifier.delivery.claiming.read_recipients", read_slowly)
        working = threads.submit(world.match, str(world.detection(shown)))
        assert met.wait(60)
        saving.append(threads.submit(world.in_one_transaction, change_notifications, who.id, at_once))
        working.result()
        saving[0].result()
    (row,) = world.notifications()
    assert row.next_attempt_at <= clock()
    world.confirm(shown)
    world.sweep()
    assert len(whole.messages("email")) == 1


def tell(who: world.Person, kind: str, **params: Any) -> Notification:
    """Write a message of a kind by mail; return its row."""
    with session() as s:
        (key,) = notifier.create_notifications(
            s, who.id, kind, params, f"{kind}:1", priority="immediate", channels=[Channel.EMAIL]
        )
    row: Notification = world.get(Notification, key)
    return row


def test_messages_about_desks_wait_in_quiet_hours_and_those_about_the_account_do_not(
    whole: "Running", frozen: time_machine.Traveller
) -> None:
    frozen.move_to(at_paris("2026-11-21T01:00"))
    who = waiter(**NIGHT)
    about_desk = tell(
        who, "desk_unwatched", incident="1", desks=[], reason="closed", since=clock().isoformat()
    )
    about_account = tell(who, "login_ended", at=clock().isoformat())
    deliver(str(about_desk.id), str(about_account.id))
    row = world.get(Notification, about_desk.id)
    assert (row.state, row.held_for, row.next_attempt_at) == (
        State.PENDING, HeldFor.QUIET_HOURS, at_paris("2026-11-21T07:00"),
    )  # fmt: skip
    assert world.get(Notification, about_account.id).state is State.SENT


def test_in_quiet_hours_a_lost_channel_is_told_by_mail_and_by_a_chat_when_they_end(
    whole: "Running", frozen: time_machine.Traveller
) -> None:
    frozen.move_to(at_paris("2026-11-21T03:00"))
    who = waiter((Channel.EMAIL, Channel.TELEGRAM), **NIGHT)
    with session() as s:
        lost = {"channel": "sms", "state": "bounced"}
        keys = notifier.create_notifications(s, who.id, "channel_lost", lost, "lost")
    deliver(*map(str, keys))
    by_mail, by_chat = sorted(world.notifications(), key=lambda row: row.channel)
    assert by_mail.state is State.SENT
    assert (by_chat.held_for, by_chat.next_attempt_at) == (
        HeldFor.QUIET_HOURS, at_paris("2026-11-21T07:00"),
    )  # fmt: skip


@in_turn("slots_wait, by_chat", [(False, State.DELIVERED), (True, State.EXPIRED)])
def test_a_reminder_of_a_release_within_quiet_hours_leaves_by_chat_only_where_slot_alerts_pass(
    whole: "Running", frozen: time_machine.Traveller, slots_wait: bool, by_chat: State
) -> None:
    world.start_anew(whole)
    frozen.move_to(at_paris("2026-11-21T06:30"))
    who = waiter((Channel.EMAIL, Channel.TELEGRAM), **NIGHT | {"quiet_slots": slots_wait})
    release = {"desk": world.DESK, "begins": at_paris("2026-11-21T07:00").isoformat(), "ends": None}
    with session() as s:
        keys = notifier.create_notifications(s, who.id, "release_soon", release, "release")
    deliver(*map(str, keys))
    states = {row.channel: row.state for row in world.notifications()}
    assert states == {Channel.EMAIL: State.SENT, Channel.TELEGRAM: by_chat}


@in_turn(
    "consent, consented_at, expected",
    [
        (None, clock(), (State.SKIPPED, "no consent")),
        ({"news": {"given_at": "2026", "withdrawn_at": "2026"}}, clock(), (State.SKIPPED, "no consent")),
        ({"news": {"given_at": "2026"}}, None, (State.SKIPPED, "no consent")),  # withdrawn with the channel
        ({"news": {"given_at": "2026"}}, clock(), (State.SENT, None)),
    ],
)
def test_news_go_to_who_consented(
    whole: "Running",
    consent: dict[str, Any] | None,
    consented_at: datetime | None,
    expected: tuple[State, str | None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world.start_anew(whole)
    who = waiter()
    world.change(Contact, who.contacts[Channel.EMAIL], consent=consent, consented_at=consented_at)
    monkeypatch.setattr(type(kind_of("login_ended")), "group", MessageGroup.NEWS, raising=False)
    row = tell(who, "login_ended", at=clock().isoformat())
    deliver(str(row.id))
    assert world.after(row.id) == expected


def test_slots_that_return_just_before_the_digest_are_in_it(
    whole: "Running", frozen: time_machine.Traveller
) -> None:
    frozen.move_to(at_paris("2026-11-21T06:40"))
    waiter(**DAILY)
    world.gone(show(1))
    frozen.move_to(at_paris("2026-11-21T06:50"))
    seen = show(1)
    world.match(str(world.detection(seen)))  # no message for slots that wait already
    frozen.move_to(at_paris("2026-11-21T07:00"))
    world.confirm(seen)
    world.sweep()
    assert len(whole.messages("email")) == 1
    assert states() == [(State.EXPIRED, "slots gone"), (State.SENT, None)]


@in_turn(
    "later, until",
    [
        ({"slot_rhythm": SlotRhythm.AT_ONCE}, None),
        ({"slot_rhythm": SlotRhythm.HOURLY}, None),  # that of 2:00 is over
        ({"digest_at": time(9)}, "2026-11-21T09:00"),
        ({"time_zone": "Indian/Reunion"}, None),  # 7:00 there was an hour ago
        ({"time_zone": "Atlantic/Azores"}, "2026-11-21T09:00"),  # 7:00 there
        (NIGHT | {"quiet_until": time(8), "slot_rhythm": SlotRhythm.AT_ONCE}, "2026-11-21T08:00"),
    ],
)
def test_preferences_that_change_while_a_message_waits_decide_when_it_leaves(
    later: dict[str, Any], until: str | None, whole: "Running", frozen: time_machine.Traveller
) -> None:
    world.start_anew(whole)
    frozen.move_to(at_paris("2026-11-21T01:20"))
    who = waiter(**DAILY)
    seen = show(1)
    frozen.move_to(at_paris("2026-11-21T05:00"))
    world.confirm(seen)
    world.change(User, who.id, **later)
    world.in_one_transaction(wake_held, who.id)
    world.sweep()
    (row,) = world.notifications()
    assert (row.state, len(whole.messages("email"))) == ((State.PENDING, 0) if until else (State.SENT, 1))
    assert until is None or row.next_attempt_at == at_paris(until)
