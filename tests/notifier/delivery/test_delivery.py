"""Delivered messages: their text, their receipt, and that each leaves once."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
import sqlalchemy as sa
import time_machine
from structlog.testing import capture_logs

from api.models.alert import Alert, ClosedBecause
from api.models.base import session
from api.models.notification import HeldFor, Notification, State
from api.models.slot import SlotRow
from api.models.user import Channel, Contact, ContactState
from configs.ground.clock import clock
from configs.ground.contact_addresses import digest
from configs.ground.signed_links import StopAlerts, VerifyAddress, read_token
from configs.settings import settings
from configs.world.plan import PlanName
from notifier import create_notifications
from notifier.channels.providers.web_push import PUSH_KEPT_SECONDS
from notifier.jobs import deliver
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
    from deploy.sandbox.outbox import Message
    from deploy.sandbox.running import Running

pytestmark = pytest.mark.usefixtures("whole")
ALL = (Channel.EMAIL, Channel.SMS, Channel.TELEGRAM)


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


def test_the_delay_is_told_and_no_address_is_logged() -> None:
    key = waiting()
    with capture_logs() as logs:
        deliver(str(key))
    (said,) = [each for each in logs if each["event"] == "sent"]
    assert said["milliseconds"] >= 0
    assert "example.org" not in str(logs)


def test_the_link_to_stop_is_signed_for_the_alert(sandbox: "Running") -> None:
    deliver(str(waiting()))
    text = sandbox.messages("email")[0].text
    token = "stop." + text.split("/l/stop.")[1].split()[0]
    with session() as s:
        assert read_token(StopAlerts, token).alerts == (s.scalar(sa.select(Alert.id)),)


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


def _taken(_: Notification) -> None:
    with session() as s:
        gone(list(s.scalars(sa.select(SlotRow.id))))


def _unconfirmed(_: Notification) -> None:
    with session() as s:
        long_ago = clock() - timedelta(minutes=16)
        s.execute(sa.update(SlotRow).values(opened_at=long_ago, seen_at=long_ago))


def _stopped(_: Notification) -> None:
    with session() as s:
        s.execute(sa.update(Alert).values(closed_at=clock(), closed_because=ClosedBecause.STOPPED))


def _paused(_: Notification) -> None:
    with session() as s:
        s.execute(sa.update(Alert).values(enabled=False))


def _deleted(_: Notification) -> None:
    with session() as s:
        s.execute(sa.delete(Alert))


def _off(row: Notification) -> None:
    change(Contact, row.contact_id, enabled=False)


def _unverified(row: Notification) -> None:
    change(Contact, row.contact_id, verified_at=None)


def _unsubscribed(row: Notification) -> None:
    change(Contact, row.contact_id, state=ContactState.UNSUBSCRIBED)


def _no_contact(row: Notification) -> None:
    with session() as s:
        s.execute(sa.delete(Contact).where(Contact.id == row.contact_id))


@pytest.mark.parametrize(
    ("happened", "state", "reason"),
    [
        (_taken, State.EXPIRED, "slots gone"),
        (_stopped, State.SKIPPED, "alert stopped"),
        (_paused, State.SKIPPED, "alert stopped"),
        (_deleted, State.SKIPPED, "alert deleted"),
        (_off, State.SKIPPED, "switched off"),
        (_unverified, State.SKIPPED, "address not verified"),
        (_unsubscribed, State.SKIPPED, "address unsubscribed"),
        (_no_contact, State.SKIPPED, "no address"),
    ],
)
def test_what_changed_before_sending_is_respected(
    happened: Callable[[Notification], None], state: State, reason: str, sandbox: "Running"
) -> None:
    key = waiting()
    happened(get(Notification, key))
    deliver(str(key))
    assert after(key) == (state, reason)
    assert get(Notification, key).failed_at is not None
    assert sandbox.messages() == []


@pytest.mark.rule("3.4")
def test_an_alert_waits_for_its_slot_to_be_confirmed_again(
    sandbox: "Running", frozen: time_machine.Traveller
) -> None:
    key = waiting()
    _unconfirmed(get(Notification, key))
    for _ in range(20):
        deliver(str(key))
        row = get(Notification, key)
        assert (row.state, row.held_for) == (State.PENDING, HeldFor.SLOTS)
        assert (row.attempts, row.failed_at) == (0, None)
        frozen.shift(46)
    assert sandbox.messages() == []
    with session() as s:
        s.execute(sa.update(SlotRow).values(seen_at=clock()))
    deliver(str(key))
    assert (after(key), len(sandbox.messages())) == ((State.SENT, None), 1)


@pytest.mark.rule("3.4")
def test_an_alert_ends_with_its_slot_that_was_not_confirmed(
    sandbox: "Running", frozen: time_machine.Traveller
) -> None:
    key = waiting(slot_ids=(opened := slots()))
    _unconfirmed(get(Notification, key))
    deliver(str(key))
    gone(opened)
    frozen.shift(46)
    deliver(str(key))
    assert (after(key), sandbox.messages()) == ((State.EXPIRED, "slots gone"), [])


def test_an_alert_waits_as_long_as_its_slot_is_confirmed(
    sandbox: "Running", frozen: time_machine.Traveller
) -> None:
    opened = slots()
    key = waiting(slot_ids=opened)
    frozen.shift(timedelta(hours=2))
    confirm(opened)
    deliver(str(key))
    assert after(key) == (State.SENT, None)


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"verified_at": datetime(2026, 1, 1, tzinfo=UTC)}, "already verified"),
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


def add_device(user_id: UUID, name: str, number: int = 1) -> UUID:
    """Add a further device, which the stand-in's browser of that name is."""
    with session() as s:
        made = Contact(
            user_id=user_id, channel=Channel.PUSH, address=browser_address(name), number=number, enabled=True,
            verified_at=clock(), device_name=name,
        )  # fmt: skip
        s.add(made)
        s.flush()
        return made.id


def payload(message: "Message") -> dict[str, Any]:
    found: dict[str, Any] = json.loads(message.custom["payload"])
    return found


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


def test_the_payload_is_what_the_service_worker_reads_and_names_nothing(sandbox: "Running") -> None:
    who = person(channels=(Channel.PUSH,))
    alert(who, name="Ma naturalisation")
    (key,) = matched(detection())
    deliver(str(key))
    (message,) = sandbox.messages("push")
    shown = payload(message)
    assert shown.keys() == {"title", "body", "url", "tag"}
    assert shown["title"] == "Créneau détecté"
    assert shown["url"] == f"{str(settings().frontend_url).rstrip('/')}/dashboard"
    assert shown["tag"] == str(key)
    assert not [word for word in SECRETS if word in f"{shown['title']} {shown['body']}".lower()]
    assert message.draft.headers["Urgency"] == "high"
    assert int(message.draft.headers["TTL"]) == PUSH_KEPT_SECONDS
    assert len(message.draft.headers["Topic"]) <= 32


@pytest.mark.parametrize("mode", ["ended", "reject_address"])
def test_a_subscription_that_ended_removes_the_device_and_a_mail_says_so(
    sandbox: "Running", mode: str
) -> None:
    who = person(channels=(Channel.EMAIL, Channel.PUSH))
    alert(who)
    if mode == "ended":
        sandbox.provider_mode("push", mode)
    else:
        sandbox.provider_mode("push", mode, address="camille")
    deliver(*map(str, matched(detection())))
    lost = get(Contact, who.contacts[Channel.PUSH])
    assert (lost.state, lost.is_linked, lost.consented_at) == (ContactState.BLOCKED, False, None)
    (told,) = [row for row in notifications(State.PENDING) if row.kind == "channel_lost"]
    deliver(str(told.id))
    mail = sandbox.messages("email")[-1].text
    assert "navigateur" in mail
    assert "Telegram" not in mail


def test_while_another_device_is_reached_nothing_is_lost(sandbox: "Running") -> None:
    who = person(channels=(Channel.EMAIL, Channel.PUSH))
    add_device(who.id, "gone-phone")
    alert(who)
    deliver(*map(str, matched(detection())))
    assert [row for row in notifications() if row.kind == "channel_lost"] == []


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
