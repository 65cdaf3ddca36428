"""Batches of messages in one call of a provider, what one bad address does, and the rates of channels."""

import math
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import accumulate
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
import redis
import time_machine
from hypothesis import example, given, settings
from hypothesis import strategies as st
from rq.timeouts import JobTimeoutException, UnixSignalDeathPenalty
from structlog.testing import capture_logs

from api.models.notification import Notification, Priority, State
from api.models.user import Channel, ContactState
from configs.ground.clock import clock
from notifier.channels import batch_sender
from notifier.channels.batch_sender import BatchSender, batches
from notifier.channels.provider_base import (
    Acceptance,
    Answer,
    DeliveryError,
    NotAttempted,
    OutcomeUnknown,
    PermanentError,
    Provider,
    TemporaryError,
    may_have_left,
)
from notifier.content.message_kind_base import OutgoingMessage, RenderedMessage
from notifier.delivery import nudges
from notifier.delivery.nudges import WaitingWork
from notifier.jobs import deliver
from tests.fuzz import times
from tests.in_turn import in_turn
from tests.notifier.conftest import Answering
from tests.notifier.receipts.receipts_world import wanted_call
from tests.notifier.world import alert, detection, get, matched, person, slots

if TYPE_CHECKING:
    from tests.running_sandbox import Running

pytestmark = pytest.mark.usefixtures("redis_server")
SAID = RenderedMessage(text="Arrêter : %stop0%", subject="Créneau")
OTHER = RenderedMessage(text="Autre", subject="Autre")


def messages(count: int, content: RenderedMessage = SAID) -> list[OutgoingMessage]:
    return [
        OutgoingMessage(content, f"p{number}@example.org", [uuid4()], {"%stop0%": f"https://x/{number}"})
        for number in range(count)
    ]


def handed(several: Sequence[OutgoingMessage]) -> dict[str, Answer]:
    """Hand messages over; return what was answered by address, each address once."""
    answers = list(BatchSender(Channel.EMAIL, clock() + timedelta(seconds=20)).send(several))
    addressed = [message.address for group, _ in answers for message in group]
    assert sorted(addressed) == sorted(message.address for message in several)
    return {message.address: answer for group, answer in answers for message in group}


def test_many_leave_in_one_call_each_with_its_own_links_and_ids(sandbox: "Running") -> None:
    several = messages(1_050)
    answers = handed(several)
    mails = {mail.to: mail for mail in sandbox.messages("email")}
    assert len({mail.provider_id for mail in mails.values()}) == 3
    for number, message in enumerate(several):
        mail = mails[message.address]
        assert mail.text == f"Arrêter : https://x/{number}"
        assert mail.custom["notification_id"] == str(message.ids[0])
        assert answers[message.address] == Acceptance("sendgrid", mail.provider_id)


@pytest.mark.parametrize("named", [0, 1])
def test_one_bad_address_keeps_nobody_else_from_their_mail(named: int, sandbox: "Running") -> None:
    sandbox.provider_mode("email", "reject_address", address="p3@example.org, p77@example.org", named=named)
    answers = handed(messages(100))
    refused = {address for address, answer in answers.items() if isinstance(answer, PermanentError)}
    assert refused == {"p3@example.org", "p77@example.org"}
    assert {mail.to for mail in sandbox.messages("email")} == set(answers) - refused
    assert len(sandbox.messages("email")) == 98


@in_turn(
    "error",
    [
        PermanentError("sendgrid answered 400 subject", of_all=True),
        TemporaryError("429", 5),
        OutcomeUnknown("no answer"),
    ],
)
def test_what_is_not_about_an_address_is_the_answer_to_all_and_asked_once(
    error: DeliveryError, refusing: Answering
) -> None:
    refusing.calls.clear()
    refusing.answer = error
    assert set(handed(messages(100)).values()) == {error}
    assert refusing.calls == [100]


FIRST, SECOND, THIRD = messages(3)
APART = [
    (
        [FIRST, SECOND, THIRD, replace(FIRST, address="P0@EXAMPLE.org", ids=[uuid4()])],
        [3, 1],
    ),  # an address twice
    ([FIRST, SECOND, *messages(2, OTHER), THIRD], [3, 2]),
    ([FIRST, replace(SECOND, passes_lists=True), THIRD], [2, 1]),
]


@in_turn("several, sizes", APART)
def test_a_call_has_one_text_each_address_once_and_what_passes_lists_alone(
    several: list[OutgoingMessage], sizes: list[int]
) -> None:
    found = list(batches(several, 100))
    assert [len(each) for each in found] == sizes
    assert all(len({(each.content, each.passes_lists) for each in batch}) == 1 for batch in found)


def test_after_the_job_had_to_end_nothing_more_is_asked(refusing: Answering) -> None:
    may_have_left.set(False)  # as the call before knew
    refusing.answer = JobTimeoutException("too long")
    answers = list(BatchSender(Channel.EMAIL, clock() + timedelta(seconds=20)).send(messages(1_250)))
    assert refusing.calls == [500]
    assert [type(answer) for _, answer in answers] == [OutcomeUnknown, NotAttempted, NotAttempted]


def test_no_call_begins_whose_answer_could_outlive_the_lease(
    refusing: Answering, frozen: time_machine.Traveller
) -> None:
    answering = BatchSender(Channel.EMAIL, clock() + timedelta(seconds=20)).send(messages(1_250))
    answers = [next(answering)]
    frozen.shift(timedelta(seconds=20))
    answers += answering
    assert [type(answer) for _, answer in answers] == [Acceptance, NotAttempted, NotAttempted]
    late = BatchSender(Channel.EMAIL, clock()).send(messages(1))
    assert [type(answer) for _, answer in late] == [Acceptance]


@pytest.fixture
def refusing(settings_env: Any, monkeypatch: pytest.MonkeyPatch) -> Answering:
    settings_env()
    monkeypatch.setitem(batch_sender.providers(), "sendgrid", made := Answering(Acceptance("test", "1")))
    return made


@pytest.mark.rule("3.5")
@settings(max_examples=times(30))
@given(st.integers(1, 130), st.sets(st.integers(0, 129), max_size=12), st.booleans())
def test_whoever_is_bad_all_others_are_told_once(count: int, bad: set[int], names: bool) -> None:
    refused = {f"p{number}@example.org" for number in bad}

    def refuse(messages: Sequence[OutgoingMessage]) -> None:
        at_fault = frozenset(place for place, each in enumerate(messages) if each.address in refused)
        if at_fault:
            raise PermanentError("refused", at_fault=at_fault if names else frozenset())

    provider = Answering(refuse)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(batch_sender.providers(), "sendgrid", provider)
        answers = handed(messages(count))
    assert {address for address, answer in answers.items() if isinstance(answer, PermanentError)} == (
        refused & set(answers)
    )
    assert sorted(provider.taken) == sorted(set(answers) - refused)
    assert len(provider.calls) <= 2 + 2 * 8 * max(1, len(bad))


@pytest.mark.parametrize("mode", ["refuse", "yes_without_answer"])
def test_a_batch_that_another_provider_takes_is_answered_as_one(
    mode: str, sandbox: "Running", settings_env: Any
) -> None:
    settings_env(MAIL_PROVIDERS="sendgrid,smtp", PROVIDER_SWITCH_SECONDS="0.5")
    sandbox.provider_mode("sendgrid", mode)
    ((together, answer),) = BatchSender(Channel.EMAIL, clock() + timedelta(seconds=20)).send(messages(20))
    unknown = int(mode == "yes_without_answer")
    assert (len(together), answer) == (20, Acceptance("smtp", "", copies_unknown=unknown))
    assert sandbox.provider_calls("smtp") == 20


class OneByOne(Provider):
    """A provider that answers one message after the other, and is stopped after some."""

    IS_SEQUENTIAL = True

    def __init__(self, most: int, error: Exception) -> None:
        self.most, self.error = most, error

    def hand_over(self, messages: Sequence[OutgoingMessage]) -> Iterator[Answer]:
        for _ in messages[: self.most]:
            yield Acceptance("test", "1")
        raise self.error


@in_turn("count, bad", [(2, 0), (4, 0), (4, 1), (4, 3)])
def test_a_second_provider_that_names_an_address_is_not_heard_of_another(
    count: int, bad: int, settings_env: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings_env(MAIL_PROVIDERS="smtp,sendgrid")
    known = messages(count)

    def refuse(several: Sequence[OutgoingMessage]) -> None:
        at_fault = {place for place, each in enumerate(several) if each.address == known[bad].address}
        if at_fault:
            raise PermanentError("refused", ContactState.BOUNCED, frozenset(at_fault))

    monkeypatch.setitem(batch_sender.providers(), "smtp", OneByOne(0, OutcomeUnknown("lost")))
    monkeypatch.setitem(batch_sender.providers(), "sendgrid", Answering(refuse))
    answers = handed(known)
    refused = {address for address, answer in answers.items() if isinstance(answer, PermanentError)}
    assert refused <= {known[bad].address}
    assert isinstance(answers[known[1].address], PermanentError if bad == 1 else Acceptance | OutcomeUnknown)


class Answerless(Provider):
    """A provider that breaks its word: it answers for fewer messages than it was handed."""

    def hand_over(self, messages: Sequence[OutgoingMessage]) -> Sequence[Answer]:
        return []


def test_a_thread_that_raises_leaves_its_message_of_unknown_fate(
    settings_env: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings_env()
    monkeypatch.setitem(batch_sender.providers(), "telegram", Answerless())
    answering = BatchSender(Channel.TELEGRAM, clock() + timedelta(seconds=20)).send(messages(3))
    with UnixSignalDeathPenalty(10, JobTimeoutException):  # type: ignore[no-untyped-call] # RQ's own has no types
        answers = [answer for _, answer in answering]
    assert [str(each) for each in answers] == ["ValueError"] * 3


@pytest.mark.parametrize("error", [JobTimeoutException("too long"), ZeroDivisionError()])
def test_what_was_accepted_before_a_call_broke_off_stays_accepted(
    error: Exception, settings_env: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings_env()
    monkeypatch.setitem(batch_sender.providers(), "sendgrid", OneByOne(3, error))
    answers = [type(each) for each in handed(messages(6)).values()]
    assert answers == [Acceptance] * 3 + [OutcomeUnknown] + [NotAttempted] * 2


# The rate of a channel: no second holds more messages than its provider takes


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch, frozen: time_machine.Traveller) -> list[float]:
    """Let each wait end at once, the clock set by it; return how long they were."""
    seconds: list[float] = []

    def end_wait(wait: float) -> None:
        seconds.append(wait)
        frozen.shift(timedelta(seconds=wait, microseconds=1))

    monkeypatch.setattr(batch_sender, "sleep", end_wait)
    return seconds


def take(channel: Channel) -> bool:
    return batch_sender.take_place(channel, lambda: True)


def take_all_places(channel: Channel) -> None:
    while batch_sender.take_place(channel, lambda: False):
        pass


@pytest.mark.usefixtures("database", "frozen")
@pytest.mark.rule("6.8")
@pytest.mark.parametrize(("channel", "places"), [(Channel.TELEGRAM, 6), (Channel.SMS, 2), (Channel.VOICE, 1)])
def test_a_fifth_of_a_second_has_a_fifth_of_the_rate_and_each_channel_its_own(
    channel: Channel, places: int
) -> None:
    for _ in range(places):
        assert batch_sender.take_place(channel, lambda: False)
    assert not batch_sender.take_place(channel, lambda: False)
    for other in {*Channel} - {channel}:  # mail has none
        assert batch_sender.take_place(other, lambda: False)


@pytest.mark.usefixtures("database")
@pytest.mark.rule("6.8")
@pytest.mark.parametrize("limit", [1, 10, 30, 7, 13])
def test_no_sliding_second_has_more_than_the_rate(
    limit: int, settings_env: Callable[..., None], redis_server: redis.Redis
) -> None:
    """Whatever the moments at which several programs ask, while others wait or are put back."""
    settings_env(TELEGRAM_PER_SECOND=str(limit))

    @settings(max_examples=times(40), deadline=None)
    @given(st.lists(st.tuples(st.integers(0, 300), st.booleans()), max_size=70))
    @example([(0, True)] * 70)
    @example([(0, True)] + [(190, True)] + [(0, True)] * 60)
    def try_all(tries: list[tuple[int, bool]]) -> None:
        redis_server.delete("notifier:rate:telegram")
        left = play(tries)
        assert left or not tries
        for first, last in zip(left, left[limit:], strict=False):
            assert last - first >= 1

    try_all()


def play(tries: Sequence[tuple[int, bool]]) -> list[float]:
    """Let programs ask for places, each so many ms after the one before, and wait if they may; return when each left.

    While one waits the others go on, and it may find out late that its wait is over.
    """
    left: list[float] = []
    due = list(
        zip(accumulate(after / 1000 for after, _ in tries), (waits for _, waits in tries), strict=True)
    )
    with time_machine.travel("2026-11-20T09:00:00+00:00", tick=False) as clocks:
        began = clock().timestamp()

        def go_on_until(end: float) -> None:
            while due and due[0][0] <= end:
                at, may_wait = due.pop(0)
                clocks.move_to(max(clock(), datetime.fromtimestamp(began + at, UTC)))
                if batch_sender.take_place(Channel.TELEGRAM, partial(bool, may_wait)):
                    left.append(clock().timestamp())

        def wait(seconds: float) -> None:
            end = clock() + timedelta(seconds=seconds, microseconds=1)  # which may be less than one
            go_on_until(end.timestamp() - began)
            clocks.move_to(max(clock(), end))

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(batch_sender, "sleep", wait)
            go_on_until(math.inf)
    return left


@pytest.mark.usefixtures("database")
def test_who_finds_no_place_waits_for_a_fifth_of_a_second_at_most(slept: list[float]) -> None:
    for number in range(20):
        assert take(Channel.TELEGRAM)
        assert len(slept) == number // 6
    assert all(0.2 < each < 0.22 for each in slept)


@pytest.mark.usefixtures("database")
def test_a_clock_that_was_set_back_holds_nothing_up(
    frozen: time_machine.Traveller, slept: list[float]
) -> None:
    take_all_places(Channel.SMS)
    frozen.shift(timedelta(hours=-1))
    assert take(Channel.SMS)
    assert slept == []


@pytest.mark.usefixtures("database", "frozen")
def test_without_redis_the_provider_says_what_is_too_much(
    settings_env: Callable[..., None], closed_port: int
) -> None:
    settings_env(REDIS_URL=f"redis://127.0.0.1:{closed_port}/0")
    with capture_logs() as logs:
        assert take(Channel.TELEGRAM)
    assert [each["event"] for each in logs] == ["no rate: Redis is away"]


@pytest.mark.usefixtures("database", "frozen")
def test_a_message_without_a_place_before_its_lease_ends_costs_no_attempt_and_a_call_waits_for_none(
    sandbox: "Running",
    slept: list[float],
    settings_env: Callable[..., None],
    frozen: time_machine.Traveller,
) -> None:
    settings_env(SMS_PER_SECOND="1", LEASE_SECONDS="5", API_URL="http://127.0.0.1:4000")
    alert(person(channels=(Channel.SMS,)))
    keys = {"sms": matched(detection(slots(place="2")))[0], "voice": wanted_call()}
    for name, key in keys.items():
        take_all_places(Channel(name))
        deliver(str(key))
        row = get(Notification, key)
        assert (row.state, row.attempts, row.reason, slept) == (State.PENDING, 0, None, [])
        assert row.next_attempt_at <= clock() + timedelta(seconds=1)
        frozen.shift(2)
        deliver(str(key))
        assert get(Notification, key).state is State.SENT
    assert len(sandbox.messages("sms")) == 1


# SMS and chats: several at once, each on a thread of its own


def chats(count: int) -> list[OutgoingMessage]:
    return [OutgoingMessage(SAID, str(number), [uuid4()]) for number in range(count)]


def telegram(seconds: float = 20) -> BatchSender:
    return BatchSender(Channel.TELEGRAM, clock() + timedelta(seconds=seconds))


@pytest.fixture
def bot(settings_env: Any, monkeypatch: pytest.MonkeyPatch) -> Answering:
    settings_env(TELEGRAM_PER_SECOND="100")
    monkeypatch.setitem(batch_sender.providers(), "telegram", made := Answering(Acceptance("test", "1")))
    return made


@pytest.mark.usefixtures("database", "frozen")
def test_ten_chats_are_told_at_the_same_time_each_with_its_own_answer(bot: Answering) -> None:
    all_there = threading.Barrier(10)

    def answer(messages: Sequence[OutgoingMessage]) -> None:
        all_there.wait(10)
        if messages[0].address == "7":
            raise PermanentError("blocked", ContactState.BLOCKED)

    bot.answer = answer
    answered = list(telegram().send(chats(10)))
    assert bot.calls == [1] * 10
    assert {each.address for together, _ in answered for each in together} == {
        str(each) for each in range(10)
    }
    refused = [together[0].address for together, said in answered if not isinstance(said, Acceptance)]
    assert refused == ["7"]


@pytest.mark.usefixtures("database", "frozen")
def test_one_chat_is_told_one_thing_after_the_other(bot: Answering) -> None:
    answered = list(telegram().send([*chats(1), *chats(2)]))
    assert [type(said) for _, said in answered] == [Acceptance] * 3
    assert bot.taken[-1] == "0", "after the others"


@pytest.mark.usefixtures("database")
def test_a_job_that_has_to_end_waits_for_no_thread(bot: Answering) -> None:
    ended = threading.Event()
    bot.answer = lambda messages: messages[0].address == "0" or ended.wait(60)
    answers: dict[str, Answer] = {}
    try:
        with UnixSignalDeathPenalty(1, JobTimeoutException):  # type: ignore[no-untyped-call]
            for together, said in telegram().send(chats(3)):
                answers |= {each.address: said for each in together}
    finally:
        ended.set()
    assert {address: type(said) for address, said in sorted(answers.items())} == {
        "0": Acceptance, "1": OutcomeUnknown, "2": OutcomeUnknown,
    }  # fmt: skip


@pytest.mark.usefixtures("database")
@pytest.mark.parametrize(
    ("channel", "rate", "sizes"),
    [
        (Channel.TELEGRAM, {}, [18, 7]),
        (Channel.SMS, {}, [6, 6, 6, 6, 1]),  # what leaves in three fifths of a second
        (Channel.SMS, {"SMS_PER_SECOND": "100"}, [20, 5]),
        (Channel.VOICE, {}, [1] * 25),
    ],
)
def test_a_job_names_what_leaves_in_a_moment(
    channel: Channel, rate: dict[str, str], sizes: list[int], queued: Any, settings_env: Any
) -> None:
    settings_env(**rate)
    nudges.ask_deliver_work([WaitingWork(uuid4(), channel, Priority.CRITICAL) for _ in range(25)])
    assert [len(keys) for _, keys in queued(f"{channel.value}-single")] == sizes
