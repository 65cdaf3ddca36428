"""Delivered messages: their text, their receipt, and that each leaves once."""

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
import time_machine

from api.models.alert import Alert, ClosedBecause
from api.models.base import session
from api.models.notification import HeldFor, Notification, State
from api.models.slot import GoneReason, SlotRow
from api.models.user import Channel, Contact, ContactState
from configs.ground.contact_addresses import digest
from configs.ground.signed_links import VerifyAddress, read_token
from configs.settings import settings
from configs.world.plan import PlanName
from notifier import create_notifications
from notifier.channels.providers.web_push import PUSH_KEPT_SECONDS
from notifier.jobs import deliver
from tests import factories
from tests.browser_keys import browser_address
from tests.notifier.world import (
    ACCEPTED,
    ADDRESSES,
    MORNING,
    after,
    alert,
    change,
    confirm,
    detection,
    get,
    gone,
    matched,
    notifications,
    person,
    slots,
    verification,
    waiting,
)

if TYPE_CHECKING:
    from deploy.sandbox.running import Running

pytestmark = pytest.mark.usefixtures("whole")
ALL = (Channel.EMAIL, Channel.SMS, Channel.TELEGRAM)
LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize("channel", ALL)
def test_an_accepted_message_is_sent_with_its_receipt(channel: Channel, sandbox: "Running") -> None:
    key = waiting(channel)
    deliver(str(key))
    (message,) = sandbox.messages()
    row = get(Notification, key)
    assert (row.state, row.attempts, row.reason) == (ACCEPTED[channel], 1, None)
    assert (row.provider_id, row.lease_token, row.lease_until) == (message.provider_id, None, None)
    assert message.to == ADDRESSES[channel]
    assert row.accepted_at >= row.matched_at


def test_a_slot_alert_says_what_is_open_in_the_desks_own_time(sandbox: "Running") -> None:
    seen_at = datetime.now(UTC).replace(microsecond=0)
    opened = slots([MORNING + timedelta(days=1), MORNING], seen_at=seen_at)
    deliver(str(waiting(slot_ids=opened, seen_at=seen_at)))
    (mail,) = sandbox.messages("email")
    assert mail.subject == "Créneau détecté – Essonne (91)"
    assert "2 créneaux ouverts" in mail.text
    assert "jeudi 26 novembre 2026 à\u00a009:30" in mail.text
    assert "Naturalisation <b>&" in mail.text
    assert mail.draft.seen_at == seen_at


def test_a_verification_goes_to_an_address_that_is_not_verified(sandbox: "Running") -> None:
    key = verification()
    deliver(str(key))
    (mail,) = sandbox.messages("email")
    token = mail.text.split("/l/")[1].split()[0]
    contact_id = get(Notification, key).contact_id
    assert contact_id
    assert read_token(VerifyAddress, token) == VerifyAddress(contact_id, digest(ADDRESSES[Channel.EMAIL]))
    assert after(key) == (State.SENT, None)


# Alerts, slots, contacts and accounts that changed between matching and sending


@pytest.mark.parametrize(
    ("row", "values", "state", "reason"),
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
    key = waiting()
    if values:
        factories.change(row, **values)
    else:
        factories.remove(row)
    deliver(str(key))
    assert after(key) == (state, reason)
    assert get(Notification, key).failed_at is not None
    assert sandbox.messages() == []


@pytest.mark.rule("3.4")
def test_an_alert_waits_for_its_slot_to_be_confirmed_again(
    sandbox: "Running", frozen: time_machine.Traveller
) -> None:
    key = waiting(slot_ids=(opened := slots()))
    frozen.shift(timedelta(minutes=16))
    for _ in range(3):
        deliver(str(key))
        row = get(Notification, key)
        assert (row.state, row.held_for) == (State.PENDING, HeldFor.SLOTS)
        assert (row.attempts, row.failed_at) == (0, None)
        frozen.shift(46)
    assert sandbox.messages() == []
    confirm(opened)
    deliver(str(key))
    assert (after(key), len(sandbox.messages())) == ((State.SENT, None), 1)


@pytest.mark.rule("3.4")
def test_an_alert_ends_with_its_slot_that_was_not_confirmed(
    sandbox: "Running", frozen: time_machine.Traveller
) -> None:
    key = waiting(slot_ids=(opened := slots()))
    frozen.shift(timedelta(minutes=16))
    deliver(str(key))
    gone(opened)
    frozen.shift(46)
    deliver(str(key))
    assert (after(key), sandbox.messages()) == ((State.EXPIRED, "slots gone"), [])


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"verified_at": LONG_AGO}, "already verified"),
        ({"state": ContactState.BOUNCED}, "address bounced"),
    ],
)
def test_a_verification_that_is_not_needed_any_more_is_skipped(
    values: dict[str, Any], reason: str, sandbox: "Running"
) -> None:
    key = verification()
    change(Contact, get(Notification, key).contact_id, **values)
    deliver(str(key))
    assert after(key) == (State.SKIPPED, reason)


# Slot alerts by web push

SECRETS = ("naturalisation", "évry", "evry", "essonne", "91", "préfecture")


def add_device(user_id: UUID, name: str, number: int = 1) -> None:
    """Add a further device, which the stand-in's browser of that name is."""
    factories.add_contact(user_id, Channel.PUSH, browser_address(name), number=number, device_name=name)


def test_each_device_gets_the_alert_and_one_breaks_no_other(sandbox: "Running") -> None:
    who = person(PlanName.URGENCE_24H, channels=(Channel.EMAIL, Channel.PUSH))
    add_device(who.id, "gone-phone", 1)
    add_device(who.id, "tablet", 2)
    alert(who)
    deliver(*map(str, matched(detection())))
    assert sorted(each.to for each in sandbox.messages("push")) == ["camille", "tablet"]
    assert len(sandbox.messages("email")) == 1
    assert sorted(row.state for row in notifications() if row.channel is Channel.PUSH) == [
        State.FAILED, State.SENT, State.SENT,
    ]  # fmt: skip
    assert {row.kind for row in notifications()} == {"slot_detected"}, (
        "while a device is reached nothing is lost"
    )


def test_the_payload_is_what_the_service_worker_reads_and_names_nothing(sandbox: "Running") -> None:
    who = person(channels=(Channel.PUSH,))
    alert(who, name="Ma naturalisation")
    (key,) = matched(detection())
    deliver(str(key))
    (message,) = sandbox.messages("push")
    shown = json.loads(message.custom["payload"])
    assert shown.keys() == {"title", "body", "url", "tag"}
    assert shown["title"] == "Créneau détecté"
    assert shown["url"] == f"{str(settings().frontend_url).rstrip('/')}/dashboard"
    assert shown["tag"] == str(key)
    assert not [word for word in SECRETS if word in f"{shown['title']} {shown['body']}".lower()]
    assert message.draft.headers["Urgency"] == "high"
    assert int(message.draft.headers["TTL"]) == PUSH_KEPT_SECONDS
    assert len(message.draft.headers["Topic"]) <= 32


@pytest.mark.parametrize(
    ("channel", "mode", "name"),
    [(Channel.PUSH, {"mode": "ended"}, "navigateur"),
     (Channel.TELEGRAM, {"mode": "reject_address", "address": ADDRESSES[Channel.TELEGRAM]}, "Telegram")],
)  # fmt: skip
def test_a_device_or_a_chat_that_ended_is_unlinked_and_a_mail_says_so(
    sandbox: "Running", channel: Channel, mode: dict[str, Any], name: str
) -> None:
    who = person(channels=(Channel.EMAIL, channel))
    alert(who)
    sandbox.provider_mode(channel.value, **mode)
    deliver(*map(str, matched(detection())))
    lost = get(Contact, who.contacts[channel])
    assert (lost.state, lost.is_linked, lost.consented_at) == (ContactState.BLOCKED, False, None)
    (told,) = [row for row in notifications(State.PENDING) if row.kind == "channel_lost"]
    assert told.channel is Channel.EMAIL
    deliver(str(told.id))
    mail = sandbox.messages("email")[-1].text
    assert [word for word in ("navigateur", "Telegram") if word in mail] == [name]
    assert "/canaux" in mail


def test_a_message_of_any_kind_reaches_each_device(sandbox: "Running") -> None:
    who = person(channels=(Channel.PUSH,))
    add_device(who.id, "tablet")
    waiting = alert(who)
    with session() as s:
        ids = create_notifications(s, who.id, "test_message", {"alert": str(waiting), "test": "1"}, "test:1")
    deliver(*map(str, ids))
    assert sorted(each.to for each in sandbox.messages("push")) == ["camille", "tablet"]
    assert {each.subject for each in sandbox.messages("push")} == {"Ceci est un test"}


def test_another_pair_of_keys_is_our_fault_and_keeps_the_device(sandbox: "Running") -> None:
    sandbox.subscribe_push(sender="B" * 87, subscription_id="camille")
    who = person(channels=(Channel.PUSH,))
    alert(who)
    deliver(*map(str, matched(detection())))
    (row,) = notifications()
    assert (row.state, row.attempts) == (State.PENDING, 0)
    assert "VAPID" in (row.reason or "")
    assert get(Contact, who.contacts[Channel.PUSH]).reachable
