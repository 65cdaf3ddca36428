"""Slot alerts by web push: each device gets one, on a locked screen that names neither procedure nor place."""

import json
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest

from api.models.base import session
from api.models.notification import State
from api.models.user import Channel, Contact, ContactState
from configs.ground.clock import clock
from configs.settings import settings
from configs.world.plan import PlanName
from notifier import create_notifications
from notifier.channels.providers.web_push import PUSH_KEPT_SECONDS
from notifier.jobs import deliver
from tests.browser_keys import browser_address
from tests.notifier.world import alert, detection, get, matched, notifications, person

if TYPE_CHECKING:
    from deploy.sandbox.outbox import Message
    from deploy.sandbox.running import Running

pytestmark = pytest.mark.usefixtures("database", "redis_server")
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
