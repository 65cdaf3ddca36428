"""Inline delivery: rows are claimed as they are written, and are as safe as after any claim."""

from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa
import time_machine

from api.models.alert import Alert
from api.models.base import engine
from api.models.notification import HeldFor, State
from api.models.user import Channel, Contact
from configs.clock import clock
from notifier import jobs, match_service, notification_writer
from notifier.content.slot_alert_content import SlotOpening
from notifier.delivery import delivery
from notifier.delivery.inline_delivery import InlineClaim
from notifier.delivery.provider_choice import breaker_of
from notifier.jobs import deliver, match
from notifier.nudges import WaitingWork
from notifier.sweep import undelivered
from tests.notifier.world import (
    DESK,
    OTHER_DESK,
    alert,
    change,
    confirm,
    detection,
    matched,
    notifications,
    person,
    slots,
)  # fmt: skip

if TYPE_CHECKING:
    from deploy.sandbox.running import Running

pytestmark = pytest.mark.usefixtures("whole")
MOST = 10  # statements from the detection's lock to the answer in its row; one takes a turn of the hourly cap


def test_one_alert_takes_few_round_trips(whole: "Running") -> None:
    alert(person())
    seen = str(detection())
    said: list[str] = []
    sa.event.listen(engine(), "before_cursor_execute", lambda *about: said.append(about[2]))
    match(seen)
    assert len(whole.messages()) == 1
    assert len(said) <= MOST, said


@pytest.mark.usefixtures("frozen")
def test_it_is_sending_before_anything_leaves(whole: "Running", monkeypatch: pytest.MonkeyPatch) -> None:
    alert(person())
    met: list[tuple[Any, ...]] = []

    def look(*_: object) -> None:
        (row,) = notifications()
        met.append((row.state, row.attempts, row.lease_until, row.next_nudge_at))

    monkeypatch.setattr(delivery, "hand_over", look)
    now = clock()
    match(str(detection()))
    until = now + timedelta(seconds=13)
    assert met == [(State.SENDING, 1, until, until)]


@pytest.mark.rule("3.5")
def test_a_worker_that_dies_after_its_commit_leaves_a_lease_and_the_sweep_brings_the_message(
    whole: "Running", frozen: time_machine.Traveller, monkeypatch: pytest.MonkeyPatch
) -> None:
    alert(person())
    (slot,) = slots()
    with monkeypatch.context() as dying:
        dying.setattr(delivery, "hand_over", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            match(str(detection([slot])))
    frozen.shift(12)
    assert undelivered(clock()) == []
    frozen.shift(2)
    confirm([slot])
    (found,) = undelivered(clock())
    assert isinstance(found, WaitingWork)
    deliver(str(found.id))
    (row,) = notifications(State.SENT)
    assert (row.attempts, len(whole.messages())) == (2, 1)


def test_what_waits_already_leaves_with_it_as_one_message(whole: "Running") -> None:
    who = person()
    alert(who, {"desk_id": DESK}, {"desk_id": OTHER_DESK})
    matched(detection())
    match(str(detection(desk_id=OTHER_DESK, label="Titre de séjour")))
    (mail,) = whole.messages("email")
    assert mail.custom["notification_ids"].count(",") == 1
    assert len(notifications(State.SENT)) == 2


def test_what_nobody_confirmed_for_long_is_looked_at_again_and_not_sent(
    whole: "Running", frozen: time_machine.Traveller
) -> None:
    alert(person())
    seen = detection()
    frozen.shift(901)
    match(str(seen))
    (row,) = notifications()
    assert (row.state, row.held_for) == (State.PENDING, HeldFor.SLOTS)
    assert whole.messages() == []


def test_a_channel_that_answered_late_is_left_to_its_own_workers(whole: "Running") -> None:
    breaker = breaker_of("sendgrid", alternatives=False)
    breaker.record_success(breaker.begin_call(), 5)
    alert(person())
    match(str(detection()))
    (row,) = notifications()
    assert row.state is State.PENDING
    deliver(str(row.id))
    match(str(detection(slots(place="2"))))
    assert len(whole.messages()) == 2, "a quick answer ended that"


def test_after_a_call_that_took_long_the_others_are_looked_at_again(
    whole: "Running", frozen: time_machine.Traveller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "choose_call_size", lambda _channel: 2)
    people = [person(addresses={Channel.EMAIL: f"p{number}@example.org"}) for number in range(5)]
    for each in people:
        alert(each)
    hand_over = delivery.hand_over

    def slow(*given: Any) -> None:
        hand_over(*given)
        frozen.shift(3)

    monkeypatch.setattr(delivery, "hand_over", slow)
    match(str(detection()))
    assert len(whole.messages()) == 2
    left = notifications(State.PENDING)
    assert [(row.attempts, row.lease_token) for row in left] == [(0, None)] * 3
    for row in left[:2]:
        change(Contact, row.contact_id, enabled=False)
    deliver(*(str(row.id) for row in left))
    assert len(whole.messages()) == 3
    assert len(notifications(State.SKIPPED)) == 2


def test_after_a_commit_that_took_long_all_of_it_is_looked_at_again(
    whole: "Running", frozen: time_machine.Traveller, monkeypatch: pytest.MonkeyPatch
) -> None:
    who = person()
    mine = alert(who)
    write = notification_writer.write

    def slow(*about: Any) -> Any:
        frozen.shift(3)
        return write(*about)

    monkeypatch.setattr(match_service, "write", slow)
    match(str(detection()))
    change(Alert, mine, enabled=False)
    assert whole.messages() == []
    (found,) = undelivered(clock())
    assert isinstance(found, WaitingWork)
    deliver(str(found.id))
    (row,) = notifications()
    assert (row.state, row.reason, whole.messages()) == (State.SKIPPED, "alert stopped", [])


def test_the_lease_covers_the_longest_call_that_may_begin(settings_env: Callable[..., None]) -> None:
    settings_env(PROVIDER_TIMEOUT_SECONDS="20", LEASE_SECONDS="21")
    now = clock()
    assert InlineClaim(Channel.EMAIL, 1, now).claim.until == now + timedelta(seconds=2 + 20 + 1)


@pytest.mark.usefixtures("frozen")
def test_what_cannot_be_put_into_words_keeps_no_other(
    whole: "Running", monkeypatch: pytest.MonkeyPatch
) -> None:
    alert(person(), language="fr"), alert(person(addresses={Channel.EMAIL: "b@example.org"}), language="en")
    values = SlotOpening.values

    def some(opening: SlotOpening, language: str) -> Any:
        return 1 / 0 if language == "fr" else values(opening, language)

    monkeypatch.setattr(SlotOpening, "values", some)
    match(str(detection()))
    assert [mail.to for mail in whole.messages("email")] == ["b@example.org"]
    assert [row.language for row in notifications(State.SENDING)] == ["fr"]  # its lease runs out


@pytest.mark.usefixtures("frozen")  # what was read stays fresh, however busy the machine
def test_of_more_than_its_calls_take_the_rest_is_claimed_one_call_at_a_time(
    whole: "Running", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "most_at_once", lambda channel: 1 + (channel is Channel.EMAIL))
    monkeypatch.setattr(jobs, "choose_call_size", lambda _channel: 2)
    monkeypatch.setattr(jobs, "_INLINE", 6)
    for number in range(8):
        alert(person(addresses={Channel.EMAIL: f"p{number}@example.org"}))
    match(str(detection()))
    assert len(whole.messages()) == len(notifications(State.SENT)) == 8
    assert len({mail.provider_id for mail in whole.messages()}) == 4


@pytest.mark.rule("3.7")
def test_what_goes_by_a_channel_that_hangs_is_left_to_its_own_workers(
    whole: "Running", queued: Callable[[str], list[tuple[str, list[Any]]]], settings_env: Callable[..., None]
) -> None:
    settings_env(PROVIDER_TIMEOUT_SECONDS="0.2")
    alert(person(channels=(Channel.EMAIL, Channel.TELEGRAM)), {"desk_id": OTHER_DESK})
    alert(person())
    whole.provider_mode("email", "timeout")
    match(str(detection()))
    match(str(detection(slots(desk_id=OTHER_DESK), desk_id=OTHER_DESK)))
    assert [each.channel for each in whole.messages()] == ["telegram"]
    waiting = [row.id for row in notifications() if row.attempts == 0]
    assert queued("email-critical") == [("notifier.jobs.deliver", [str(key)]) for key in waiting]
