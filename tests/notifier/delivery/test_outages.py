"""Outages of providers, with the clock frozen: messages arrive soon after the recovery, alerts while their slots are open."""

import math
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import UUID

import pytest
import time_machine

import notifier
from api.models.notification import Notification, State
from api.models.user import Channel
from configs.ground.clock import clock
from notifier.channels import batch_sender
from notifier.channels.provider_base import Acceptance, OneCallProvider, OutcomeUnknown, TemporaryError
from notifier.content.outgoing_message import OutgoingMessage
from notifier.jobs import deliver, match
from notifier.sweep import Sweep
from tests.notifier.calls_world import callee
from tests.notifier.world import (
    alert,
    confirm,
    deliver_queued,
    detection,
    get,
    in_one_transaction,
    notifications,
    person,
    slots,
)
from tests.samples import try_first

if TYPE_CHECKING:
    from deploy.sandbox.running import Running

pytestmark = pytest.mark.usefixtures("database", "redis_server")


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
