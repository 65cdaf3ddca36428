"""Attempts that failed and outages of providers: what is tried again, when, and what ends a message or its contact."""

import math
import secrets
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import UUID

import pytest
import time_machine
from structlog.testing import capture_logs

import notifier
from api.models.base import engine
from api.models.notification import Notification, State
from api.models.user import Channel, Contact, ContactState
from configs.ground.clock import clock
from notifier.channels import batch_sender
from notifier.channels.provider_base import (
    Acceptance,
    DeliveryError,
    OneCallProvider,
    OutcomeUnknown,
    PermanentError,
    TemporaryError,
)
from notifier.content.outgoing_message import OutgoingMessage
from notifier.delivery import delivery
from notifier.jobs import deliver, match
from notifier.receipts.readers import LONGEST_ID
from notifier.sweep import Sweep
from tests.notifier.receipts_world import callee
from tests.notifier.world import (
    ACCEPTED,
    ADDRESSES,
    after,
    alert,
    change,
    confirm,
    deliver_queued,
    detection,
    get,
    in_one_transaction,
    matched,
    notifications,
    person,
    slots,
    verification,
    waiting,
)
from tests.samples import try_first

if TYPE_CHECKING:
    from deploy.sandbox.running import Running

pytestmark = pytest.mark.usefixtures("whole")
ALL = (Channel.EMAIL, Channel.SMS, Channel.TELEGRAM)
NAMES = [each.value for each in ALL]


@pytest.mark.parametrize(
    ("name", "state"),
    [("email", ContactState.BOUNCED), ("sms", ContactState.BOUNCED), ("telegram", ContactState.BLOCKED)],
)
def test_a_permanent_failure_ends_it_and_marks_the_contact(
    name: str, state: ContactState, sandbox: "Running"
) -> None:
    key = waiting(Channel(name))
    change(Contact, get(Notification, key).contact_id, consented_at=clock())
    sandbox.provider_mode(name, "reject_address", address=ADDRESSES[Channel(name)])
    deliver(str(key))
    row = get(Notification, key)
    assert (row.state, row.failed_at is not None) == (State.FAILED, True)
    assert ADDRESSES[Channel(name)] not in str(row.reason)
    contact = get(Contact, row.contact_id)
    assert contact.state is state
    assert (contact.consented_at is None) is (state is ContactState.BLOCKED)  # which withdraws the consent


def test_an_address_that_was_changed_meanwhile_is_not_marked(
    sandbox: "Running", monkeypatch: pytest.MonkeyPatch
) -> None:
    key = waiting()
    (message,) = delivery.claim([key])
    sandbox.provider_mode("email", "reject_address", address=message.address)
    (sent,) = delivery.send([message])
    change(Contact, message.first.contact_id, address="new@example.org")
    assert delivery.record(sent)
    assert get(Contact, message.first.contact_id).state is ContactState.OK


@pytest.mark.parametrize("name", NAMES)
def test_a_key_that_is_refused_or_missing_uses_no_attempt(
    name: str, sandbox: "Running", frozen: time_machine.Traveller, monkeypatch: pytest.MonkeyPatch,
    settings_env: Callable[..., None],
) -> None:  # fmt: skip
    opened = slots()
    key = waiting(Channel(name), slot_ids=opened)
    sandbox.provider_mode(name, "unauthorized", count=7)
    for _ in range(7):
        deliver(str(key))
        row = get(Notification, key)
        assert (row.state, row.attempts) == (State.PENDING, 0)
        assert "answered 401: check " in str(row.reason)
        frozen.shift(46)
        confirm(opened)
    secret = {"email": "SENDGRID_API_KEY", "sms": "TWILIO_AUTH_TOKEN", "telegram": "TELEGRAM_BOT_TOKEN"}[name]
    with monkeypatch.context() as without:
        without.delenv(secret)
        settings_env()
        deliver(str(key))
        row = get(Notification, key)
        assert (row.state, row.attempts) == (State.PENDING, 0)
        assert f"{secret} is not set" in str(row.reason)
    settings_env()
    frozen.shift(46)
    deliver(str(key))
    assert after(key) == (ACCEPTED[Channel(name)], None)


def test_what_is_no_slot_alert_waits_a_day_for_our_configuration(
    sandbox: "Running", frozen: time_machine.Traveller
) -> None:
    key, alerted = verification(), waiting(slot_ids=(opened := slots()))
    sandbox.provider_mode("email", "unauthorized")
    for wait in (0, 86400, 300, 300):
        frozen.shift(wait)
        confirm(opened)
        assert get(Notification, key).state is State.PENDING
        deliver(str(key), str(alerted))
    assert after(alerted)[0] is State.PENDING
    state, reason = after(key)
    assert state is State.FAILED
    assert str(reason).startswith("attempts used up: sendgrid answered 401")


# Providers that raise anything, texts that cannot be made, answers while the database is away


class Answering(OneCallProvider):
    """Gives one answer to every call: what a function returns or raises, or an error."""

    def __init__(self, answer: Callable[[], object] | Acceptance | DeliveryError) -> None:
        self.answer, self.calls = answer, 0

    def send(self, messages: Sequence[OutgoingMessage]) -> Acceptance:
        self.calls += 1
        if isinstance(self.answer, DeliveryError):
            raise self.answer
        if isinstance(self.answer, Acceptance):
            return self.answer
        self.answer()
        return Acceptance("test", "1")


def use(
    monkeypatch: pytest.MonkeyPatch, answer: Callable[[], object] | Acceptance | DeliveryError
) -> Answering:
    monkeypatch.setitem(batch_sender.providers(), "sendgrid", made := Answering(answer))
    return made


@pytest.mark.rule("3.6")
def test_no_connection_is_held_while_a_provider_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    held = []
    use(monkeypatch, lambda: held.append(engine().pool.checkedout()))  # type: ignore[attr-defined]
    deliver(str(waiting()))
    assert held == [0]


def test_whatever_a_provider_raises_is_in_the_row(monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, lambda: 1 / 0)
    key = waiting()
    with capture_logs() as logs:
        deliver(str(key))
    assert after(key) == (State.PENDING, "unknown: ZeroDivisionError")
    assert [each["event"] for each in logs if each["log_level"] == "error"] == ["provider failed"]


def test_a_text_that_cannot_be_made_is_tried_again_later(
    monkeypatch: pytest.MonkeyPatch, sandbox: "Running"
) -> None:
    monkeypatch.setattr(delivery, "render", lambda *_: 1 / 0)
    key = waiting()
    deliver(str(key))
    assert after(key) == (State.PENDING, "text could not be made: ZeroDivisionError")
    assert sandbox.messages() == []


# Answers of providers that no table takes as they are

Answered = Callable[[Acceptance | DeliveryError], Notification]


@pytest.fixture
def answered(monkeypatch: pytest.MonkeyPatch) -> Answered:
    """Give a function that delivers one alert by a provider with that answer, and returns its row."""

    def run(answer: Acceptance | DeliveryError) -> Notification:
        alert(person())
        (made,) = matched(detection())
        provider = use(monkeypatch, answer)
        deliver(str(made))
        deliver(str(made))
        assert provider.calls == 1
        row: Notification = get(Notification, made)
        return row

    return run


@pytest.mark.parametrize("odd", [secrets.token_hex(5000), "a\0b", "\ud800", "a\r\nb"], ids=range(4))
def test_an_id_of_any_kind_is_recorded(odd: str, answered: Answered) -> None:
    row = answered(Acceptance("sendgrid", odd))
    assert row.state is State.SENT
    assert len(row.provider_id or "") <= LONGEST_ID


@pytest.mark.parametrize("kind", [TemporaryError, OutcomeUnknown, PermanentError])
@pytest.mark.parametrize("odd", ["x" * 10**6, "a\0b", "\ud800"], ids=range(3))
def test_a_reason_of_any_kind_is_recorded(kind: type[DeliveryError], odd: str, answered: Answered) -> None:
    row = answered(kind(f"sendgrid answered 400 {odd}"))
    assert row.state in (State.PENDING, State.FAILED)
    assert "sendgrid answered 400" in str(row.reason)
    assert len(row.reason or "") < 400


# Outages of providers, with the clock frozen: messages arrive soon after the recovery, alerts while their slots are open


@pytest.mark.rule("3.12")
@pytest.mark.parametrize("seconds", [100, 3600])
def test_no_message_is_lost_while_the_only_provider_is_away(
    seconds: int, sandbox: "Running", settings_env: Callable[..., None], frozen: time_machine.Traveller
) -> None:
    settings_env(MAIL_PROVIDERS="sendgrid")
    who = person()
    written = notifier.create_notifications, who.id, "test_message", {"alert": str(alert(who))}, "key"
    (key,) = in_one_transaction(*written)
    sandbox.provider_mode("sendgrid", "error_500")
    until = clock() + timedelta(seconds=seconds)
    while clock() < until:
        deliver(str(key))
        row = get(Notification, key)
        assert (row.state, row.attempts) == (State.PENDING, 0)
        frozen.move_to(max(row.next_attempt_at, clock() + timedelta(seconds=1)))
    assert clock() < until + timedelta(minutes=8)
    sandbox.provider_mode("sendgrid", "normal")
    frozen.shift(15)  # the breaker's rest
    deliver(str(key))
    assert get(Notification, key).state is State.SENT
    assert len(sandbox.messages()) == 1


NOT_TAKEN = ("refused", "reset", "503", "429")
HANGS = "hangs"
HOUR = 3600.0
PROVIDERS = {
    Channel.EMAIL: "sendgrid", Channel.SMS: "twilio", Channel.TELEGRAM: "telegram", Channel.VOICE: "twilio_calls",
}  # fmt: skip

_CALL = 10  # seconds that a call waits without an answer


class Provider(OneCallProvider):
    """Takes messages over; `kind` is how it fails until `recovers`."""

    def __init__(self, traveller: time_machine.Traveller, kind: str, seconds: float) -> None:
        self.traveller, self.kind = traveller, kind
        self.recovers = clock() + timedelta(seconds=seconds)
        self.copies, self.took = 0, 0.0

    def send(self, messages: Sequence[OutgoingMessage]) -> Acceptance:
        self.took = 0.0
        if clock() >= self.recovers:
            self.copies += 1
            return Acceptance("test", "1")
        if self.kind in NOT_TAKEN:
            raise TemporaryError(self.kind, 5 if self.kind == "429" else None)
        self.took = _CALL
        self.traveller.shift(_CALL)
        raise OutcomeUnknown(f"test did not answer: {self.kind}")


Fails = Callable[[Channel, str, float], Provider]


@pytest.fixture
def fails(
    frozen: time_machine.Traveller, monkeypatch: pytest.MonkeyPatch, settings_env: Callable[..., None]
) -> Iterator[Fails]:
    """Give a function that lets a channel's provider fail for some seconds from now on."""
    settings_env(REARM_SECONDS="300")

    def put(channel: Channel, kind: str, seconds: float) -> Provider:
        made = Provider(frozen, kind, seconds)
        monkeypatch.setitem(batch_sender.providers(), PROVIDERS[channel], made)
        return made

    return put  # type: ignore[return-value] # a fixture that needs no end


def live_until(
    traveller: time_machine.Traveller, ended: Callable[[], bool], opened: list[int], *, most: float
) -> None:
    """Sweep in the seconds in which something is due, until something has ended or `most` seconds have gone."""
    sweep, end = Sweep(), clock() + timedelta(seconds=most)
    while not ended() and clock() < end:
        due = min(row.next_attempt_at for row in notifications(State.PENDING, State.SENDING))
        traveller.shift(max(1, math.ceil((due - clock()).total_seconds())))
        confirm(opened)
        sweep.turn()
        deliver_queued()


def alert_in(channel: Channel) -> tuple[list[int], UUID]:
    """Let one person's alert meet a slot; return the slot and the notification."""
    alert(person(channels=(channel,)))
    opened = slots()
    match(str(detection(opened)))
    deliver_queued()
    (row,) = notifications()
    return opened, row.id


OUTAGES = [
    *((Channel.EMAIL, kind, 100.0) for kind in (*NOT_TAKEN, HANGS)),
    *((channel, kind, 100.0) for channel in (Channel.SMS, Channel.TELEGRAM) for kind in ("503", HANGS)),
    *((Channel.EMAIL, kind, seconds) for kind in ("503", HANGS) for seconds in (10.0, 600.0)),
    pytest.param(Channel.EMAIL, "503", HOUR, marks=pytest.mark.journey),
    (Channel.EMAIL, HANGS, HOUR),
    *((channel, HANGS, HOUR) for channel in (Channel.SMS, Channel.TELEGRAM)),
]


@pytest.mark.rule("6.2")
@pytest.mark.parametrize(("channel", "kind", "seconds"), OUTAGES)
def test_an_alert_outlives_an_outage_of_its_provider(
    channel: Channel, kind: str, seconds: float, fails: Fails, frozen: time_machine.Traveller
) -> None:
    provider = fails(channel, kind, seconds)
    opened, key = alert_in(channel)
    live_until(frozen, lambda: bool(notifications(State.SENT)), opened, most=2 * HOUR)
    row = get(Notification, key)
    late = (row.accepted_at - provider.recovers).total_seconds()
    allowed = 60.0 if kind in NOT_TAKEN else max(60.0, seconds / 3)
    assert late <= (31 * 60 if channel is Channel.SMS and kind == HANGS else allowed)
    assert (provider.copies, len(notifications())) == (1, 1)


@pytest.mark.parametrize(
    "outage", try_first([("503", 100.0), (HANGS, 100.0), ("503", 10.0), ("503", HOUR)], 2)
)
def test_a_call_outlives_an_outage_of_calls_and_the_sms_leaves_meanwhile(
    outage: tuple[str, float],
    fails: Fails,
    frozen: time_machine.Traveller,
    settings_env: Callable[..., None],
) -> None:
    kind, seconds = outage
    settings_env(TWILIO_VOICE_NUMBER="+33162000001")
    sms, calls = fails(Channel.SMS, "503", 0), fails(Channel.VOICE, kind, seconds)
    callee()
    opened, began = slots(), clock()
    match(str(detection(opened)))
    deliver_queued()
    told, key = (row.id for row in sorted(notifications(), key=lambda row: row.channel))
    live_until(frozen, lambda: calls.copies > 0, opened, most=2 * HOUR)
    row = get(Notification, key)
    assert row.accepted_at - calls.recovers <= timedelta(seconds=181 if kind == HANGS else 61)
    assert row.unknown_attempts == (1 if kind == HANGS else 0)
    assert (sms.copies, get(Notification, told).accepted_at - began) == (1, timedelta(0))
