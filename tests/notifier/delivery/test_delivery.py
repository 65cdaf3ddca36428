"""Delivered messages: their text, their receipt, that each leaves once; and attempts that failed."""

import json
import secrets
from collections.abc import Callable
from datetime import UTC, datetime, time, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
import time_machine
from structlog.testing import capture_logs

from api.models.alert import Alert, AlertTarget, ClosedBecause
from api.models.base import engine, session
from api.models.notification import HeldFor, Notification, State
from api.models.provider_event import BOUNCE_WAIT
from api.models.slot import GoneReason, SlotRow
from api.models.user import Channel, Contact, ContactState
from configs.ground.addresses import digest
from configs.ground.clock import clock
from configs.ground.signing import VerifyAddress, read_token
from configs.settings import settings
from configs.world.plan import PlanName
from notifier import create_notifications
from notifier.channels import batch_sender
from notifier.channels.provider_base import (
    LONGEST_EVENT_ID,
    Acceptance,
    DeliveryError,
    OutcomeUnknown,
    PermanentError,
    TemporaryError,
)
from notifier.channels.providers.web_push import PUSH_KEPT_SECONDS
from notifier.delivery import delivery
from notifier.jobs import apply_receipts, deliver
from tests import factories
from tests.browser_keys import browser_address
from tests.in_turn import in_turn
from tests.notifier import world
from tests.notifier.conftest import Answering

if TYPE_CHECKING:
    from tests.running_sandbox import Running

pytestmark = pytest.mark.usefixtures("whole")
ALL = (Channel.EMAIL, Channel.SMS, Channel.TELEGRAM)
LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)


@in_turn("channel", ALL)
def test_an_accepted_message_is_sent_with_its_receipt(channel: Channel, sandbox: "Running") -> None:
    world.start_anew(sandbox)
    key = world.waiting(channel)
    deliver(str(key))
    (message,) = sandbox.messages()
    row = world.get(Notification, key)
    assert (row.state, row.attempts, row.reason) == (world.ACCEPTED[channel], 1, None)
    assert (row.provider_id, row.lease_token, row.lease_until) == (message.provider_id, None, None)
    assert message.to == world.ADDRESSES[channel]
    assert row.accepted_at >= row.matched_at


def test_a_slot_alert_says_what_is_open_in_the_desks_own_time(sandbox: "Running") -> None:
    seen_at = datetime.now(UTC).replace(microsecond=0)
    opened = world.slots([world.MORNING + timedelta(days=1), world.MORNING], seen_at=seen_at)
    deliver(str(world.waiting(slot_ids=opened, seen_at=seen_at)))
    (mail,) = sandbox.messages("email")
    assert mail.subject == "Créneau détecté – Essonne (91)"
    assert "2 créneaux ouverts" in mail.text
    assert "jeudi 26 novembre 2026 à\u00a009:30" in mail.text
    assert "Naturalisation <b>&" in mail.text
    assert mail.draft.seen_at == seen_at


def test_a_verification_goes_to_an_address_that_is_not_verified(sandbox: "Running") -> None:
    key = world.verification()
    deliver(str(key))
    (mail,) = sandbox.messages("email")
    token = mail.text.split("/l/")[1].split()[0]
    contact_id = world.get(Notification, key).contact_id
    assert contact_id
    assert read_token(VerifyAddress, token) == VerifyAddress(
        contact_id, digest(world.ADDRESSES[Channel.EMAIL])
    )
    assert world.after(key) == (State.SENT, None)


# Alerts, slots, contacts and accounts that changed between matching and sending


@in_turn(
    "row, values, state, reason",
    [
        (SlotRow, {"gone_at": LONG_AGO, "gone_reason": GoneReason.TAKEN}, State.EXPIRED, "slots gone"),
        (
            Alert,
            {"closed_at": LONG_AGO, "closed_because": ClosedBecause.STOPPED},
            State.SKIPPED,
            "alert stopped",
        ),
        (Alert, {"enabled": False}, State.SKIPPED, "alert stopped"),
        (Alert, None, State.SKIPPED, "alert deleted"),
        (Contact, {"enabled": False}, State.SKIPPED, "switched off"),
        (Contact, {"verified_at": None}, State.SKIPPED, "address not verified"),
        (Contact, {"state": ContactState.UNSUBSCRIBED}, State.SKIPPED, "address unsubscribed"),
        (Contact, None, State.SKIPPED, "no address"),
    ],
)
def test_what_changed_before_sending_is_respected(
    row: type[Any], values: dict[str, Any] | None, state: State, reason: str, sandbox: "Running"
) -> None:
    world.start_anew(sandbox)
    key = world.waiting()
    if values:
        factories.change(row, **values)
    else:
        factories.remove(row)
    deliver(str(key))
    assert world.after(key) == (state, reason)
    assert world.get(Notification, key).failed_at is not None
    assert sandbox.messages() == []


@in_turn(
    "limits, end, days",
    [
        ({"date_from": world.MORNING.date() + timedelta(days=1)}, (State.SENT, None), ["vendredi 27"]),
        ({"hour_from": time(23)}, (State.SKIPPED, "alert changed"), []),
        ({"desk_id": world.OTHER_DESK}, (State.SKIPPED, "alert changed"), []),
    ],
)
def test_an_alert_that_was_changed_is_sent_what_it_wants_now(
    limits: dict[str, Any], end: tuple[State, str | None], days: list[str], sandbox: "Running"
) -> None:
    world.start_anew(sandbox)
    key = world.waiting(slot_ids=world.slots([world.MORNING, world.MORNING + timedelta(days=1)]))
    factories.change(AlertTarget, **limits)
    factories.change(Alert, limits_version=2)
    deliver(str(key))
    assert world.after(key) == end
    texts = [mail.text for mail in sandbox.messages()]
    assert [day for day in ("jeudi 26", "vendredi 27") for text in texts if day in text] == days


@pytest.mark.rule("3.4")
@pytest.mark.parametrize(
    ("happens", "end"), [(world.confirm, (State.SENT, None)), (world.gone, (State.EXPIRED, "slots gone"))]
)
def test_an_alert_waits_for_its_slot_to_be_confirmed_again_or_to_be_gone(
    sandbox: "Running",
    frozen: time_machine.Traveller,
    happens: Callable[[list[int]], None],
    end: tuple[State, str | None],
) -> None:
    key = world.waiting(slot_ids=(opened := world.slots()))
    frozen.shift(timedelta(minutes=16))
    for _ in range(3):
        deliver(str(key))
        row = world.get(Notification, key)
        assert (row.state, row.held_for) == (State.PENDING, HeldFor.SLOTS)
        assert (row.attempts, row.failed_at) == (0, None)
        frozen.shift(46)
    assert sandbox.messages() == []
    happens(opened)
    frozen.shift(timedelta(minutes=5))
    deliver(str(key))
    assert (world.after(key), len(sandbox.messages())) == (end, end[0] is State.SENT)


@in_turn(
    "values, reason",
    [
        ({"verified_at": LONG_AGO}, "already verified"),
        ({"state": ContactState.BOUNCED}, "address bounced"),
    ],
)
def test_a_verification_that_is_not_needed_any_more_is_skipped(
    values: dict[str, Any], reason: str, sandbox: "Running"
) -> None:
    world.start_anew(sandbox)
    key = world.verification()
    world.change(Contact, world.get(Notification, key).contact_id, **values)
    deliver(str(key))
    assert world.after(key) == (State.SKIPPED, reason)


# Slot alerts by web push

SECRETS = ("naturalisation", "évry", "evry", "essonne", "91", "préfecture")


def add_device(user_id: UUID, name: str, number: int = 1) -> None:
    """Add a further device, which the stand-in's browser of that name is."""
    factories.add_contact(user_id, Channel.PUSH, browser_address(name), number=number, device_name=name)


def test_each_device_gets_the_alert_and_one_breaks_no_other(sandbox: "Running") -> None:
    who = world.person(PlanName.URGENCE_24H, channels=(Channel.EMAIL, Channel.PUSH))
    add_device(who.id, "gone-phone", 1)
    add_device(who.id, "tablet", 2)
    world.alert(who)
    deliver(*map(str, world.matched(world.detection())))
    assert sorted(each.to for each in sandbox.messages("push")) == ["camille", "tablet"]
    assert len(sandbox.messages("email")) == 1
    assert sorted(row.state for row in world.notifications() if row.channel is Channel.PUSH) == [
        State.FAILED, State.SENT, State.SENT,
    ]  # fmt: skip
    assert {row.kind for row in world.notifications()} == {"slot_detected"}, (
        "while a device is reached nothing is lost"
    )


def test_the_payload_is_what_the_service_worker_reads_and_names_nothing(sandbox: "Running") -> None:
    who = world.person(channels=(Channel.PUSH,))
    world.alert(who, name="Ma naturalisation")
    (key,) = world.matched(world.detection())
    deliver(str(key))
    (message,) = sandbox.messages("push")
    shown = json.loads(message.custom["payload"])
    assert shown.keys() == {"title", "body", "url", "tag"}
    assert shown["title"] == "Créneau détecté"
    assert shown["url"].startswith(f"{str(settings().api_url).rstrip('/')}/l/places.")
    assert shown["tag"] == str(key)
    assert not [word for word in SECRETS if word in f"{shown['title']} {shown['body']}".lower()]
    assert message.draft.headers["Urgency"] == "high"
    assert int(message.draft.headers["TTL"]) == PUSH_KEPT_SECONDS
    assert len(message.draft.headers["Topic"]) <= 32


@in_turn(
    "channel, mode, name",
    [(Channel.PUSH, {"mode": "ended"}, "navigateur"),
     (Channel.TELEGRAM, {"mode": "reject_address", "address": world.ADDRESSES[Channel.TELEGRAM]}, "Telegram")],
)  # fmt: skip
def test_a_device_or_a_chat_that_ended_is_unlinked_and_a_mail_says_so(
    sandbox: "Running", channel: Channel, mode: dict[str, Any], name: str
) -> None:
    world.start_anew(sandbox)
    who = world.person(channels=(Channel.EMAIL, channel))
    world.alert(who)
    sandbox.provider_mode(channel.value, **mode)
    deliver(*map(str, world.matched(world.detection())))
    lost = world.get(Contact, who.contacts[channel])
    assert (lost.state, lost.is_linked, lost.consented_at) == (ContactState.BLOCKED, False, None)
    (told,) = [row for row in world.notifications(State.PENDING) if row.kind == "channel_lost"]
    assert told.channel is Channel.EMAIL
    deliver(str(told.id))
    mail = sandbox.messages("email")[-1].text
    assert [word for word in ("navigateur", "Telegram") if word in mail] == [name]
    assert "/canaux" in mail


def test_a_message_of_any_kind_reaches_each_device(sandbox: "Running") -> None:
    who = world.person(channels=(Channel.PUSH,))
    add_device(who.id, "tablet")
    waiting = world.alert(who)
    with session() as s:
        ids = create_notifications(s, who.id, "test_message", {"alert": str(waiting), "test": "1"}, "test:1")
    deliver(*map(str, ids))
    assert sorted(each.to for each in sandbox.messages("push")) == ["camille", "tablet"]
    assert {each.subject for each in sandbox.messages("push")} == {"Ceci est un test"}


def test_another_pair_of_keys_is_our_fault_and_keeps_the_device(sandbox: "Running") -> None:
    sandbox.do(lambda each: each.push.subscribe("B" * 87, "camille"))
    who = world.person(channels=(Channel.PUSH,))
    world.alert(who)
    deliver(*map(str, world.matched(world.detection())))
    (row,) = world.notifications()
    assert (row.state, row.attempts) == (State.PENDING, 0)
    assert "VAPID" in (row.reason or "")
    assert world.get(Contact, who.contacts[Channel.PUSH]).reachable


# Attempts that failed: what is tried again, when, and what ends a message or its contact


NAMES = [each.value for each in ALL]


@in_turn(
    "name, state",
    [("email", ContactState.BOUNCED), ("sms", ContactState.BOUNCED), ("telegram", ContactState.BLOCKED)],
)
def test_a_permanent_failure_ends_it_and_marks_the_contact(
    name: str, state: ContactState, sandbox: "Running", frozen: time_machine.Traveller
) -> None:
    world.start_anew(sandbox)
    key = world.waiting(Channel(name))
    world.change(Contact, world.get(Notification, key).contact_id, consented_at=clock())
    sandbox.provider_mode(name, "reject_address", address=world.ADDRESSES[Channel(name)])
    deliver(str(key))
    row = world.get(Notification, key)
    assert (row.state, row.failed_at is not None) == (State.FAILED, True)
    assert world.ADDRESSES[Channel(name)] not in str(row.reason)
    frozen.shift(BOUNCE_WAIT)
    apply_receipts()
    contact = world.get(Contact, row.contact_id)
    assert contact.state is state
    assert (contact.consented_at is None) is (state is ContactState.BLOCKED)  # which withdraws the consent


def test_an_address_that_was_changed_meanwhile_is_not_marked(sandbox: "Running") -> None:
    key = world.waiting()
    (message,) = delivery.claim([key])
    sandbox.provider_mode("email", "reject_address", address=message.address)
    (sent,) = delivery.send([message])
    world.change(Contact, message.first.contact_id, address="new@example.org")
    assert delivery.record_answer(sent)
    assert world.get(Contact, message.first.contact_id).state is ContactState.OK


@in_turn("name", NAMES)
def test_a_key_that_is_refused_or_missing_uses_no_attempt(
    name: str, sandbox: "Running", frozen: time_machine.Traveller, monkeypatch: pytest.MonkeyPatch,
    settings_env: Callable[..., None],
) -> None:  # fmt: skip
    world.start_anew(sandbox)
    opened = world.slots()
    key = world.waiting(Channel(name), slot_ids=opened)
    sandbox.provider_mode(name, "unauthorized", count=7)
    for _ in range(7):
        deliver(str(key))
        row = world.get(Notification, key)
        assert (row.state, row.attempts) == (State.PENDING, 0)
        assert "answered 401: check " in str(row.reason)
        frozen.shift(46)
        world.confirm(opened)
    secret = {"email": "SENDGRID_API_KEY", "sms": "TWILIO_AUTH_TOKEN", "telegram": "TELEGRAM_BOT_TOKEN"}[name]
    with monkeypatch.context() as without:
        without.delenv(secret)
        settings_env()
        deliver(str(key))
        row = world.get(Notification, key)
        assert (row.state, row.attempts) == (State.PENDING, 0)
        assert f"{secret} is not set" in str(row.reason)
    settings_env()
    frozen.shift(46)
    deliver(str(key))
    assert world.after(key) == (world.ACCEPTED[Channel(name)], None)


# Providers that raise anything, texts that cannot be made, answers while the database is away


def use(monkeypatch: pytest.MonkeyPatch, answer: Any) -> Answering:
    monkeypatch.setitem(batch_sender.providers(), "sendgrid", made := Answering(answer))
    return made


@pytest.mark.rule("3.6")
def test_no_connection_is_held_while_a_provider_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    held = []
    use(monkeypatch, lambda _: held.append(engine().pool.checkedout()))  # type: ignore[attr-defined]
    deliver(str(world.waiting()))
    assert held == [0]


def test_whatever_a_provider_raises_is_in_the_row(monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, ZeroDivisionError())
    key = world.waiting()
    with capture_logs() as logs:
        deliver(str(key))
    assert world.after(key) == (State.PENDING, "unknown: ZeroDivisionError")
    assert [each["event"] for each in logs if each["log_level"] == "error"] == ["provider failed"]


def test_a_text_that_cannot_be_made_is_tried_again_later(
    monkeypatch: pytest.MonkeyPatch, sandbox: "Running"
) -> None:
    monkeypatch.setattr(delivery, "render", lambda *_: 1 / 0)
    key = world.waiting()
    deliver(str(key))
    assert world.after(key) == (State.PENDING, "text could not be made: ZeroDivisionError")
    assert sandbox.messages() == []


# Answers of providers that no table takes as they are

Answered = Callable[[Acceptance | DeliveryError], Notification]


@pytest.fixture
def answered(monkeypatch: pytest.MonkeyPatch) -> Answered:
    """Give a function that delivers one alert by a provider with that answer, and returns its row."""

    def run(answer: Acceptance | DeliveryError) -> Notification:
        world.alert(world.person())
        (made,) = world.matched(world.detection())
        provider = use(monkeypatch, answer)
        deliver(str(made))
        deliver(str(made))
        assert provider.calls == [1]
        row: Notification = world.get(Notification, made)
        return row

    return run


@in_turn("odd", [secrets.token_hex(5000), "a\0b", "\ud800", "a\r\nb"])
def test_an_id_of_any_kind_is_recorded(whole: "Running", odd: str, answered: Answered) -> None:
    world.start_anew(whole)
    row = answered(Acceptance("sendgrid", odd))
    assert row.state is State.SENT
    assert len(row.provider_id or "") <= LONGEST_EVENT_ID


@in_turn(
    "kind, odd",
    [(TemporaryError, "x" * 10**6), (OutcomeUnknown, "a\0b"), (PermanentError, "\ud800")],
)
def test_a_reason_of_any_kind_is_recorded(
    whole: "Running", kind: type[DeliveryError], odd: str, answered: Answered
) -> None:
    world.start_anew(whole)
    row = answered(kind(f"sendgrid answered 400 {odd}"))
    assert row.state in (State.PENDING, State.FAILED)
    assert "sendgrid answered 400" in str(row.reason)
    assert len(row.reason or "") < 400


@pytest.mark.rule("3.4")
@pytest.mark.parametrize("is_back", [True, False])
def test_an_sms_is_held_while_a_check_does_not_show_its_slot(
    sandbox: "Running", frozen: time_machine.Traveller, *, is_back: bool
) -> None:
    sandbox.provider_mode("sms", "rate_limited", seconds=1, count=1)
    world.alert(world.person(channels=(Channel.EMAIL, Channel.SMS)))
    opened = world.slots()
    world.match(str(world.detection(opened)))
    frozen.shift(timedelta(seconds=60))
    world.gone(opened)
    for _ in range(4):
        world.sweep()
        frozen.shift(timedelta(seconds=60))
    assert [len(sandbox.messages(each)) for each in ("email", "sms")] == [1, 0]
    if is_back:
        factories.change(SlotRow, SlotRow.id.in_(opened), gone_at=None, gone_reason=None, seen_at=clock())
        world.match(str(world.detection(opened)))
    else:
        frozen.shift(timedelta(seconds=60))
        world.sweep()
    assert [len(sandbox.messages(each)) for each in ("email", "sms")] == [1, int(is_back)]
    (sms,) = [row for row in world.notifications() if row.channel is Channel.SMS]
    assert (sms.state, sms.reason) == ((State.SENT, None) if is_back else (State.EXPIRED, "slots gone"))
