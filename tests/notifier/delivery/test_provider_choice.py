"""Choice between two providers of mail, and outages of any: what leaves when, by whom, and how often."""

import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

import pytest
import redis
import time_machine

from api.models.notification import Notification, State
from api.models.user import Channel
from configs.ground.clock import clock
from configs.programs.circuit_breaker import FAILURES_IN_A_ROW, provider_rest_seconds
from notifier.channels import batch_sender
from notifier.channels.batch_sender import BatchSender, _join
from notifier.channels.provider_base import (
    Acceptance,
    AddressBusy,
    Answer,
    NotAttempted,
    OutcomeUnknown,
    Provider,
    ProviderResting,
    RateLimited,
    TemporaryError,
    answer_seconds,
)
from notifier.content.message_kind_base import OutgoingMessage, RenderedMessage
from notifier.jobs import deliver, match
from notifier.sweep import Sweep
from tests.in_turn import in_turn
from tests.notifier import world
from tests.notifier.receipts.receipts_world import callee
from tests.samples import try_first

if TYPE_CHECKING:
    from tests.running_sandbox import Running

REFUSES, HANGS, IS_SLOW, IS_TOO_SLOW, BREAKS_OFF = "refuses", "hangs", "is slow", "is too slow", "breaks off"
_SECONDS = {HANGS: 3600.0, IS_SLOW: 3.5, IS_TOO_SLOW: 6.0}
_TAKES = (IS_SLOW, IS_TOO_SLOW, BREAKS_OFF)


class FailingProvider(Provider):
    """Takes messages over; fails in one way until an instant. `taken` counts the copies of each notification."""

    def __init__(self, name: str, traveller: time_machine.Traveller) -> None:
        self.name, self.traveller = name, traveller
        self.kind, self.until = "", clock()
        self.taken: Counter[UUID] = Counter()

    def fail(self, kind: str, seconds: float) -> datetime:
        """Fail from now on; return until when."""
        self.kind, self.until = kind, clock() + timedelta(seconds=seconds)
        return self.until

    def hand_over(self, messages: Sequence[OutgoingMessage]) -> Sequence[Answer]:
        kind = self.kind if clock() < self.until else ""
        if kind == REFUSES:
            raise TemporaryError(f"{self.name} {kind}")
        took = _SECONDS.get(kind, 0.05)
        if not kind or kind in _TAKES:
            self.taken.update(key for each in messages for key in each.ids)
        left = answer_seconds(self.name)
        self.traveller.shift(min(took, left))
        if took > left or kind == BREAKS_OFF:
            raise OutcomeUnknown(f"{self.name} {kind}")
        return [Acceptance(self.name, "1")] * len(messages)


def put_providers(
    patch: pytest.MonkeyPatch, traveller: time_machine.Traveller, names: Sequence[str]
) -> Iterator[FailingProvider]:
    """Put such providers in the place of real ones, and let calls take the clock's time."""
    patch.setattr(batch_sender, "time", SimpleNamespace(monotonic=lambda: clock().timestamp()))
    for name in names:
        made = FailingProvider(name, traveller)
        patch.setitem(batch_sender.providers(), name, made)
        yield made


Put = Callable[..., None]
Pair = tuple[FailingProvider, FailingProvider]
CONTENT = RenderedMessage(text="Créneau détecté", subject="Créneau")
KINDS = (REFUSES, HANGS, IS_SLOW, IS_TOO_SLOW, BREAKS_OFF)
SECONDS = (10.0, 100.0, 600.0, 10_800.0)
_LEAVES_WITHIN, _RETURNS_WITHIN = 5.0, 30.0


@pytest.fixture
def pair(
    redis_server: redis.Redis,
    settings_env: Put,
    frozen: time_machine.Traveller,
    monkeypatch: pytest.MonkeyPatch,
) -> Pair:
    """Give SendGrid and SMTP, which fail on demand."""
    settings_env(MAIL_PROVIDERS="sendgrid,smtp")
    sendgrid, smtp = put_providers(monkeypatch, frozen, ("sendgrid", "smtp"))
    return sendgrid, smtp


def send() -> tuple[OutgoingMessage, Answer, float]:
    """Hand one mail over; return it with the answer and the seconds that it took."""
    mail, began = OutgoingMessage(CONTENT, "camille@example.org", [uuid4()]), clock()
    (answer,) = BatchSender(Channel.EMAIL, clock() + timedelta(hours=1)).hand_over([mail])
    return mail, answer, (clock() - began).total_seconds()


@pytest.mark.rule("6.2")
@pytest.mark.parametrize(
    ("kind", "seconds"), [*((kind, 100.0) for kind in KINDS), *((HANGS, seconds) for seconds in SECONDS[::2])]
)
def test_mail_leaves_in_time_and_returns_to_the_first_provider(
    kind: str, seconds: float, pair: Pair, frozen: time_machine.Traveller
) -> None:
    sendgrid, smtp = pair
    send()
    recovers = sendgrid.fail(kind, seconds)
    unknown, gap = 0, 3 if seconds < 600 else 13
    while clock() < recovers + timedelta(seconds=_RETURNS_WITHIN + gap):
        mail, answer, took = send()
        assert isinstance(answer, Acceptance)
        assert took <= _LEAVES_WITHIN
        copies = sendgrid.taken[mail.ids[0]] + smtp.taken[mail.ids[0]]
        assert 1 <= copies <= 1 + answer.copies_unknown
        unknown += answer.copies_unknown
        if clock() - timedelta(seconds=gap) > recovers + timedelta(seconds=_RETURNS_WITHIN):
            assert answer.provider == "sendgrid"
        frozen.shift(gap)
    assert smtp.taken or seconds == SECONDS[0]
    tries = FAILURES_IN_A_ROW + 1 + seconds / provider_rest_seconds()
    assert unknown <= (tries if kind in (HANGS, IS_TOO_SLOW, BREAKS_OFF) else 0)


def test_all_workers_leave_a_slow_provider_after_twenty_answers(pair: Pair) -> None:
    sendgrid, smtp = pair
    sendgrid.fail(IS_SLOW, 600)
    for _ in range(20):
        send()
    assert smtp.taken
    assert len(sendgrid.taken) <= 20


@pytest.mark.parametrize("away", ["", "sendgrid"])
def test_a_provider_without_another_behind_it_is_used_however_slow(
    away: str, pair: Pair, settings_env: Put
) -> None:
    first, last = pair
    if away:
        first.fail(REFUSES, 600)
    else:
        settings_env(MAIL_PROVIDERS="smtp")
    last.fail(IS_SLOW, 600)
    assert all(isinstance(send()[1], Acceptance) for _ in range(30))
    assert len(last.taken) == 30


def test_what_one_call_has_no_time_for_is_handed_to_the_next_provider(
    pair: Pair, monkeypatch: pytest.MonkeyPatch, settings_env: Put
) -> None:
    settings_env(MAIL_PROVIDERS="smtp,sendgrid")
    sendgrid, smtp = pair
    late = NotAttempted("put back")
    monkeypatch.setattr(smtp, "IS_SEQUENTIAL", True, raising=False)
    monkeypatch.setattr(smtp, "hand_over", lambda all_: [Acceptance("smtp", ""), *[late] * (len(all_) - 1)])
    batch = [OutgoingMessage(CONTENT, f"p{number}@example.org", [uuid4()]) for number in range(5)]
    answers = BatchSender(Channel.EMAIL, clock() + timedelta(hours=1)).hand_over(batch)
    assert [each.provider for each in answers if isinstance(each, Acceptance)] == ["smtp", *["sendgrid"] * 4]
    sendgrid.fail(REFUSES, 60)
    answers = BatchSender(Channel.EMAIL, clock() + timedelta(hours=1)).hand_over(batch)
    assert answers[1:] == [late] * 4


def test_while_both_are_away_the_wait_ends_with_the_rest(pair: Pair, frozen: time_machine.Traveller) -> None:
    for each in pair:
        each.fail(REFUSES, 60)
    for _ in range(FAILURES_IN_A_ROW):
        send()
    _, answer, _ = send()
    assert not isinstance(answer, Acceptance)
    assert getattr(answer, "retry_after", None) == provider_rest_seconds()
    frozen.shift(61)
    assert isinstance(send()[1], Acceptance)


WAITS = [
    (RateLimited("429", 3600), ProviderResting("smtp", 10), 10),
    (ProviderResting("sendgrid", 14), ProviderResting("smtp", 2), 2),
    (TemporaryError("refused"), RateLimited("429", 3600), None),
    (TemporaryError("refused"), ProviderResting("smtp", 10), None),
    (ProviderResting("sendgrid", 10), AddressBusy("greylisted"), 10),
    (RateLimited("429", 30), RateLimited("429", 60), 30),
]


@in_turn("first, second, wait", WAITS)
def test_a_message_that_none_took_waits_for_who_can_be_asked_first(
    first: TemporaryError, second: TemporaryError, wait: float | None
) -> None:
    answer = _join(first, second)
    assert isinstance(answer, TemporaryError)
    assert answer.retry_after == wait


def test_without_redis_a_process_chooses_alone(
    pair: Pair, settings_env: Put, frozen: time_machine.Traveller
) -> None:
    settings_env(REDIS_URL="redis://127.0.0.1:1")
    sendgrid, smtp = pair
    recovers = sendgrid.fail(REFUSES, 100)
    while clock() < recovers + timedelta(seconds=_RETURNS_WITHIN):
        _, answer, took = send()
        assert isinstance(answer, Acceptance)
        assert took <= _LEAVES_WITHIN
        frozen.shift(3)
    assert isinstance(answer, Acceptance)
    assert answer.provider == "sendgrid"
    assert smtp.taken


@pytest.fixture
def whole_pair(whole: "Running", settings_env: Put) -> "Running":
    """Give the stand-ins, both providers of mail in use, with short times."""
    settings_env(
        MAIL_PROVIDERS="sendgrid,smtp", PROVIDER_SWITCH_SECONDS="0.3", PROVIDER_TIMEOUT_SECONDS="0.6"
    )
    return whole


WAYS = [
    ("refuse", 0, 1),
    ("yes_without_answer", 1, 2),
    ("unauthorized", 0, 1),
]


@in_turn("mode, unknown, copies", WAYS)
def test_the_row_records_who_took_it_and_what_is_unknown(
    mode: str, unknown: int, copies: int, whole_pair: "Running"
) -> None:
    world.start_anew(whole_pair)
    world.alert(world.person(channels=(Channel.EMAIL,)))
    (made,) = world.matched(world.detection())
    whole_pair.provider_mode("sendgrid", mode)
    deliver(str(made))
    row = world.get(Notification, made)
    assert (row.state, row.provider, row.attempts, row.unknown_attempts) == (State.SENT, "smtp", 1, unknown)
    sent = whole_pair.messages("email")
    assert [each.provider for each in sent] == ["sendgrid", "smtp"][-copies:]
    assert sent[-1].custom["message_id"] == f"<{made}@rdvpriority.fr>"


# Outages of providers, with the clock frozen: messages arrive soon after the recovery, alerts while their slots are open


PROVIDERS = {
    Channel.EMAIL: "sendgrid", Channel.SMS: "twilio", Channel.TELEGRAM: "telegram", Channel.VOICE: "twilio_calls",
}  # fmt: skip


HOUR = 3600.0
Fails = Callable[[Channel, str, float], FailingProvider]


@pytest.fixture
def fails(
    whole: "Running", frozen: time_machine.Traveller, monkeypatch: pytest.MonkeyPatch, settings_env: Put
) -> Fails:
    """Give a function that lets a channel's provider fail for some seconds from now on."""
    settings_env(REARM_SECONDS="300")

    def put(channel: Channel, kind: str, seconds: float) -> FailingProvider:
        (made,) = put_providers(monkeypatch, frozen, [PROVIDERS[channel]])
        made.fail(kind, seconds)
        return made

    return put


def live_until(
    traveller: time_machine.Traveller, ended: Callable[[], bool], opened: list[int], *, most: float
) -> None:
    """Sweep in the seconds in which something is due, until something has ended or `most` seconds have gone."""
    sweep, end = Sweep(), clock() + timedelta(seconds=most)
    while not ended() and clock() < end:
        due = min(row.next_attempt_at for row in world.notifications(State.PENDING, State.SENDING))
        traveller.shift(max(1, math.ceil((due - clock()).total_seconds())))
        world.confirm(opened)
        sweep.turn()
        world.deliver_queued()


OUTAGES = [
    (Channel.EMAIL, REFUSES, 100.0), (Channel.EMAIL, HANGS, HOUR),
    (Channel.TELEGRAM, REFUSES, 600.0), (Channel.SMS, HANGS, 100.0),
    pytest.param(Channel.SMS, HANGS, HOUR / 2, marks=pytest.mark.journey),
    pytest.param(Channel.EMAIL, HANGS, 10.0, marks=pytest.mark.journey),
    pytest.param(Channel.EMAIL, REFUSES, HOUR, marks=pytest.mark.journey),
]  # fmt: skip


@pytest.mark.rule("6.2")
@pytest.mark.parametrize(("channel", "kind", "seconds"), OUTAGES)
def test_an_alert_outlives_an_outage_of_its_provider(
    channel: Channel, kind: str, seconds: float, fails: Fails, frozen: time_machine.Traveller
) -> None:
    provider = fails(channel, kind, seconds)
    world.alert(world.person(channels=(channel,)))
    match(str(world.detection(opened := world.slots())))
    world.deliver_queued()
    (first,) = world.notifications()
    live_until(frozen, lambda: bool(world.notifications(State.SENT, State.DELIVERED)), opened, most=2 * HOUR)
    (row,) = world.notifications()
    assert row.accepted_at
    late = (row.accepted_at - provider.until).total_seconds()
    allowed = 60.0 if kind == REFUSES else max(60.0, seconds / 3)
    assert late <= (31 * 60 if channel is Channel.SMS and kind == HANGS else allowed)
    assert (row.id, provider.taken[row.id]) == (first.id, 1)


@pytest.mark.parametrize("outage", try_first([(REFUSES, 10.0), (HANGS, 100.0), (REFUSES, HOUR)], 2))
def test_a_call_outlives_an_outage_of_calls_and_the_sms_leaves_meanwhile(
    outage: tuple[str, float],
    fails: Fails,
    frozen: time_machine.Traveller,
    settings_env: Callable[..., None],
) -> None:
    kind, seconds = outage
    # Redis counts calls by its own clock, which goes on while the frozen one jumps: its rate is of another test.
    settings_env(TWILIO_VOICE_NUMBER="+33162000001", CALLS_PER_SECOND="1000")
    sms, calls = fails(Channel.SMS, REFUSES, 0), fails(Channel.VOICE, kind, seconds)
    callee()
    opened, began = world.slots(), clock()
    match(str(world.detection(opened)))
    world.deliver_queued()
    told, key = (row.id for row in sorted(world.notifications(), key=lambda row: row.channel))
    live_until(frozen, lambda: bool(calls.taken), opened, most=2 * HOUR)
    row = world.get(Notification, key)
    assert row.accepted_at - calls.until <= timedelta(seconds=181 if kind == HANGS else 61)
    assert row.unknown_attempts == (1 if kind == HANGS else 0)
    assert sms.taken.total() == 1
    assert world.get(Notification, told).accepted_at - began < timedelta(seconds=1)
