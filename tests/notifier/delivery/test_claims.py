"""Claims: leases of workers that die, and rows that no worker can read."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import pytest
import redis
import sqlalchemy as sa
import time_machine
from sqlalchemy.orm import Session
from structlog.testing import capture_logs

import notifier
from api.models.base import replace_database_clock
from api.models.notification import HeldFor, Notification, State
from api.models.user import Channel
from configs.ground.clock import clock
from configs.programs.jobs import queue
from notifier import jobs
from notifier.channels.batch_sender import breaker_of
from notifier.channels.provider_base import Acceptance, Answer, NotAttempted, OutcomeUnknown, TemporaryError
from notifier.content.message_kind_base import MessageKind, Seen
from notifier.content.slot_alert_content import SlotOpening
from notifier.delivery import delivery, nudges
from notifier.delivery.nudges import WaitingWork, lease_seconds
from notifier.jobs import deliver, match
from notifier.matching import match_service, notification_writer
from notifier.sweep import undelivered
from tests.in_turn import in_turn
from tests.notifier import world

if TYPE_CHECKING:
    from tests.running_sandbox import Running

pytestmark = pytest.mark.usefixtures("whole")


def swept() -> list[UUID]:
    """Return what the sweep finds due."""
    return [each.id for each in undelivered(clock())]


@pytest.mark.rule("3.5")
def test_a_lease_that_ran_out_is_taken_over_and_the_late_result_is_nobodys(
    frozen: time_machine.Traveller,
) -> None:
    key = world.waiting()
    (dead,) = delivery.claim([key])
    assert delivery.claim([key]) == []
    frozen.shift(timedelta(seconds=31))
    (heir,) = delivery.claim(swept())
    assert heir.first.attempts == 2
    with capture_logs() as logs:
        assert not any(delivery.record_answer(sent) for sent in delivery.send([dead]))
    assert logs[-1]["event"].startswith("lease lost")
    assert world.get(Notification, key).lease_token == heir.token
    assert all(delivery.record_answer(sent) for sent in delivery.send([heir]))
    assert world.after(key) == (State.SENT, None)


@pytest.mark.parametrize("ahead", [0.2, 600])  # 600: the database's clock was set back since
def test_a_worker_whose_estimate_of_the_clock_is_behind_that_of_the_writer_finds_its_job_due(
    frozen: time_machine.Traveller, ahead: float
) -> None:
    replace_database_clock(lambda: clock() + timedelta(seconds=ahead))
    world.alert(world.person(channels=(Channel.TELEGRAM,)))
    jobs.match(str(world.detection()))
    frozen.shift(timedelta(milliseconds=5))
    replace_database_clock(partial(datetime.now, UTC))
    world.deliver_queued()
    assert len(world.notifications(State.DELIVERED)) == 1


def test_a_program_without_redis_sends_its_messages(settings_env: Callable[..., None]) -> None:
    key = world.waiting()
    settings_env(REDIS_URL="")
    deliver(str(key))
    assert world.after(key) == (State.SENT, None)


@pytest.mark.rule("6.1")
def test_what_was_put_back_untried_costs_no_attempt() -> None:
    key = world.waiting()
    (message,) = delivery.claim([key])
    assert delivery.record_answer(delivery.Sent([message], NotAttempted("the lease was too short")))
    row = world.get(Notification, key)
    assert (row.state, row.attempts, row.next_attempt_at <= clock()) == (State.PENDING, 0, True)


def test_a_late_answer_is_recorded_where_nobody_has_claimed_the_message_again(
    frozen: time_machine.Traveller,
) -> None:
    key = world.waiting(Channel.SMS)
    (late,) = delivery.send(delivery.claim([key]))
    frozen.shift(timedelta(seconds=31))
    assert swept() == []
    assert world.after(key) == (State.PENDING, "unknown: no worker lived to record an answer")
    assert delivery.record_answer(late)
    assert world.after(key) == (State.SENT, None)
    assert not delivery.record_answer(late)


@in_turn(
    "answer, copies",
    [(Acceptance("twilio", "SM1"), 0), (OutcomeUnknown("silence"), 1), (TemporaryError("answered 503"), 0)],
)
def test_a_copy_whose_answer_is_recorded_after_its_lease_is_counted_once(
    whole: "Running", frozen: time_machine.Traveller, answer: Answer, copies: int
) -> None:
    world.start_anew(whole)
    key = world.waiting(Channel.SMS)
    late = delivery.Sent(delivery.claim([key]), answer)
    frozen.shift(timedelta(seconds=31))
    swept()
    assert delivery.record_answer(late)
    assert world.get(Notification, key).unknown_attempts == copies


@in_turn("channel, waits", [(Channel.EMAIL, [30, 120, 600, 1800, 1800]), (Channel.SMS, [60, 600, 1800])])
def test_workers_that_die_each_time_get_a_message_ever_more_rarely_and_few_copies_of_an_sms(
    channel: Channel, waits: list[int], frozen: time_machine.Traveller, whole: "Running"
) -> None:
    world.start_anew(whole)
    key = world.waiting(channel, slot_ids=(opened := world.slots()))
    for wait in waits:
        assert delivery.claim([key])
        for early in (1, 0):
            frozen.shift(timedelta(seconds=1 if not early else wait - 1))
            world.confirm(opened)
            assert swept() == ([] if early else [key])
    if channel is Channel.SMS:
        assert delivery.claim([key])
        frozen.shift(timedelta(seconds=30))
        assert swept() == []
        assert world.after(key) == (State.FAILED, "unknown: no worker lived to record an answer")


@pytest.mark.rule("6.4")
def test_a_kind_that_this_worker_does_not_know_waits_for_a_newer_one_and_keeps_no_other(
    sandbox: "Running", frozen: time_machine.Traveller
) -> None:
    bad, good = world.verification(), world.waiting()
    world.change(Notification, bad, kind="kind_of_a_newer_release")
    for _ in range(6):
        deliver(str(bad), str(good))
        row = world.get(Notification, bad)
        assert (row.state, row.attempts) == (State.PENDING, 0)
        assert row.reason == "unknown kind kind_of_a_newer_release: waits for a newer worker"
        frozen.shift(46)
    assert world.after(good) == (State.SENT, None)
    world.change(Notification, bad, kind="verify_email")
    deliver(str(bad))
    assert world.after(bad) == (State.SENT, None)


@pytest.mark.rule("6.4")
@pytest.mark.parametrize("broken", ["python", "sql"])
def test_a_row_that_cannot_be_read_keeps_no_other_of_its_kind(
    broken: str, sandbox: "Running", frozen: time_machine.Traveller, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.alert(world.person()), world.alert(world.person(addresses={Channel.EMAIL: "b@example.org"}))
    bad, good = world.matched(world.detection(opened := world.slots()))
    prepare_all = MessageKind.prepare_all

    def prepare(kind: MessageKind, s: Session, rows: Seen, now: datetime) -> Any:
        if any(row.id == bad for row, _ in rows):
            s.execute(sa.text("SELECT 1/0")) if broken == "sql" else 1 / 0
        return prepare_all(kind, s, rows, now)

    monkeypatch.setattr(MessageKind, "prepare_all", prepare)
    for wait in (60, 86400, 300, 300, 300, 300, 300):
        deliver(str(bad), str(good))
        frozen.shift(wait)
        world.confirm(opened)
    assert world.after(good) == (State.SENT, None)
    state, reason = world.after(bad)
    assert state is State.FAILED
    assert str(reason).startswith("attempts used up: could not be read: ")
    assert len(sandbox.messages()) == 1


# Inline delivery


@pytest.mark.rule("3.5")
def test_a_worker_that_dies_after_its_commit_leaves_a_lease_and_the_sweep_brings_the_message(
    whole: "Running", frozen: time_machine.Traveller, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.alert(world.person())
    (slot,) = world.slots()
    with monkeypatch.context() as dying:
        dying.setattr(delivery, "hand_over", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            match(str(world.detection([slot])))
    frozen.shift(29)
    assert undelivered(clock()) == []
    frozen.shift(1)
    world.confirm([slot])
    (found,) = undelivered(clock())
    assert isinstance(found, WaitingWork)
    deliver(str(found.id))
    (row,) = world.notifications(State.SENT)
    assert (row.attempts, len(whole.messages())) == (2, 1)


@pytest.mark.parametrize("name", ["critical", "many"])
def test_a_yes_that_trickles_ends_with_the_job_before_another_worker_sends(
    name: str, whole: "Running", redis_server: redis.Redis
) -> None:
    """Each read has a time-out of its own, so that only RQ's ends the whole: with the lease of these mails."""
    world.alert(world.person())
    notifier.detection_seen(world.detection())
    nudges.ask_many("many", "match", [(str(uuid4()), str(uuid4()))])
    nudges.ask_many("many", "rearm", [(world.DESK,)], kept=30)
    notifier.ask_catch_up(uuid4())
    assert {job.timeout for job in queue(name).jobs} == {lease_seconds()}


def test_what_waits_already_leaves_with_it_as_one_message(whole: "Running") -> None:
    who = world.person()
    world.alert(who, {"desk_id": world.DESK}, {"desk_id": world.OTHER_DESK})
    world.matched(world.detection())
    match(str(world.detection(desk_id=world.OTHER_DESK, label="Titre de séjour")))
    world.deliver_queued()
    (mail,) = whole.messages("email")
    assert mail.custom["notification_ids"].count(",") == 1
    assert len(world.notifications(State.SENT)) == 2


def test_what_nobody_confirmed_for_long_is_looked_at_again_and_not_sent(
    whole: "Running", frozen: time_machine.Traveller
) -> None:
    world.alert(world.person())
    seen = world.detection()
    frozen.shift(901)
    match(str(seen))
    world.deliver_queued()
    (row,) = world.notifications()
    assert (row.state, row.held_for) == (State.PENDING, HeldFor.SLOTS)
    assert whole.messages() == []


@pytest.mark.usefixtures("frozen")
def test_what_cannot_be_put_into_words_keeps_no_other(
    whole: "Running", monkeypatch: pytest.MonkeyPatch
) -> None:
    (
        world.alert(world.person(), language="fr"),
        world.alert(world.person(addresses={Channel.EMAIL: "b@example.org"}), language="en"),
    )
    values = SlotOpening.values

    def some(opening: SlotOpening, language: str) -> Any:
        return 1 / 0 if language == "fr" else values(opening, language)

    monkeypatch.setattr(SlotOpening, "values", some)
    match(str(world.detection()))
    assert [mail.to for mail in whole.messages("email")] == ["b@example.org"]
    assert [row.language for row in world.notifications(State.SENDING)] == ["fr"]  # its lease runs out


def test_after_a_slow_call_mails_are_left_to_their_own_worker_for_a_while(
    whole: "Running", monkeypatch: pytest.MonkeyPatch, settings_env: Callable[..., None]
) -> None:
    rests: list[float] = []
    monkeypatch.setattr(notification_writer, "rests_until", rests)
    settings_env(INLINE_SLOW_SECONDS="0")
    world.alert(world.person())
    match(str(world.detection()))
    assert len(rests) == 1
    match(str(world.detection(world.slots(place="2"))))
    assert len(world.notifications(State.PENDING)) == 1
    world.deliver_queued()
    rests[:] = [0.0]
    match(str(world.detection(world.slots(place="3"))))
    assert len(whole.messages()) == 3


def test_the_lease_of_what_waited_for_the_lock_of_its_desk_begins_then(
    whole: "Running", frozen: time_machine.Traveller, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.alert(world.person())
    write, seen = notification_writer.write_matches, list[timedelta]()

    def slow(*about: Any) -> Any:
        frozen.shift(25)
        return write(*about)

    monkeypatch.setattr(match_service, "write_matches", slow)
    monkeypatch.setattr(
        delivery, "hand_over", lambda made: seen.extend(each.until - clock() for each in made)
    )
    match(str(world.detection()))
    assert seen == [timedelta(seconds=lease_seconds())]


@pytest.mark.rule("3.7")
def test_while_the_first_provider_of_mail_rests_no_job_that_matches_waits_for_it(
    whole: "Running", queued: Callable[[str], list[tuple[str, list[Any]]]]
) -> None:
    breaker = breaker_of("sendgrid", alternatives=False)
    for _ in range(3):
        breaker.record_failure(breaker.begin_call())
    world.alert(world.person())
    match(str(world.detection()))
    (row,) = world.notifications(State.PENDING)
    assert queued("email-single") == [("notifier.jobs.deliver", [str(row.id)])]
    assert whole.provider_calls("email") == 0
