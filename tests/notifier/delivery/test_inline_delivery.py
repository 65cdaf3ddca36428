"""Inline delivery: rows are claimed as they are written, and are as safe as after any claim."""

from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
import redis
import time_machine

import notifier
from api.models.notification import HeldFor, State
from api.models.user import Channel
from configs.ground.clock import clock
from configs.ground.job_queues import queue
from notifier.channels.batch_sender import breaker_of
from notifier.content.slot_alert_content import SlotOpening
from notifier.delivery import delivery, nudges
from notifier.delivery.nudges import WaitingWork
from notifier.delivery.retry_policy import LEASE_SECONDS
from notifier.jobs import deliver, match
from notifier.matching import match_service, notification_writer
from notifier.sweep import undelivered
from tests.notifier.world import (
    DESK,
    OTHER_DESK,
    alert,
    confirm,
    deliver_queued,
    detection,
    matched,
    notifications,
    person,
    slots,
)  # fmt: skip

if TYPE_CHECKING:
    from deploy.sandbox.running import Running

pytestmark = pytest.mark.usefixtures("whole")


@pytest.mark.usefixtures("frozen")
def test_it_is_sending_before_anything_leaves(whole: "Running", monkeypatch: pytest.MonkeyPatch) -> None:
    alert(person())
    met: list[tuple[Any, ...]] = []

    def look(*_: object) -> None:
        (row,) = notifications()
        met.append((row.state, row.attempts, row.lease_until, row.next_attempt_at))

    monkeypatch.setattr(delivery, "hand_over", look)
    now = clock()
    match(str(detection()))
    until = now + timedelta(seconds=30)
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
    frozen.shift(29)
    assert undelivered(clock()) == []
    frozen.shift(1)
    confirm([slot])
    (found,) = undelivered(clock())
    assert isinstance(found, WaitingWork)
    deliver(str(found.id))
    (row,) = notifications(State.SENT)
    assert (row.attempts, len(whole.messages())) == (2, 1)


@pytest.mark.parametrize("name", ["critical", "many"])
def test_a_yes_that_trickles_ends_with_the_job_before_another_worker_sends(
    name: str, whole: "Running", redis_server: redis.Redis
) -> None:
    """Each read has a time-out of its own, so that only RQ's ends the whole: with the lease of these mails."""
    alert(person())
    notifier.detection_seen(detection())
    nudges.match_parts(str(uuid4()), [[str(uuid4())]])
    nudges.rearm([DESK])
    nudges.tell_open(DESK, [[uuid4()]])
    notifier.catch_up(uuid4())
    assert {job.timeout for job in queue(name).jobs} == {LEASE_SECONDS()}


def test_what_waits_already_leaves_with_it_as_one_message(whole: "Running") -> None:
    who = person()
    alert(who, {"desk_id": DESK}, {"desk_id": OTHER_DESK})
    matched(detection())
    match(str(detection(desk_id=OTHER_DESK, label="Titre de séjour")))
    deliver_queued()
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
    deliver_queued()
    (row,) = notifications()
    assert (row.state, row.held_for) == (State.PENDING, HeldFor.SLOTS)
    assert whole.messages() == []


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


def test_after_a_slow_call_mails_are_left_to_their_own_worker_for_a_while(
    whole: "Running", monkeypatch: pytest.MonkeyPatch, settings_env: Callable[..., None]
) -> None:
    rests: list[float] = []
    monkeypatch.setattr(notification_writer, "rests_until", rests)
    settings_env(INLINE_SLOW_SECONDS="0")
    alert(person())
    match(str(detection()))
    assert len(rests) == 1
    match(str(detection(slots(place="2"))))
    assert len(notifications(State.PENDING)) == 1
    deliver_queued()
    rests[:] = [0.0]
    match(str(detection(slots(place="3"))))
    assert len(whole.messages()) == 3


def test_what_waited_too_long_for_the_lock_of_its_desk_is_put_back(
    whole: "Running", frozen: time_machine.Traveller, monkeypatch: pytest.MonkeyPatch
) -> None:
    alert(person())
    write = notification_writer.write

    def slow(*about: Any) -> Any:
        frozen.shift(25)
        return write(*about)

    monkeypatch.setattr(match_service, "write", slow)
    match(str(detection()))
    assert whole.messages() == []
    assert [(row.state, row.attempts) for row in notifications()] == [(State.PENDING, 0)]
    (found,) = undelivered(clock())
    deliver(str(found.id))
    assert [(row.state, row.attempts) for row in notifications()] == [(State.SENT, 1)]


@pytest.mark.rule("3.7")
def test_while_the_first_provider_of_mail_rests_no_job_that_matches_waits_for_it(
    whole: "Running", queued: Callable[[str], list[tuple[str, list[Any]]]]
) -> None:
    breaker = breaker_of("sendgrid", alternatives=False)
    for _ in range(3):
        breaker.record_failure(breaker.begin_call())
    alert(person())
    match(str(detection()))
    (row,) = notifications(State.PENDING)
    assert queued("email-single") == [("notifier.jobs.deliver", [str(row.id)])]
    assert whole.provider_calls("email") == 0
