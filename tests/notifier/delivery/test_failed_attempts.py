"""Attempts that failed: what is tried again, when, and what ends a message or its contact."""

from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
import time_machine

from api.models.notification import Notification, State
from api.models.user import Channel, Contact, ContactState
from configs.ground.clock import clock
from notifier.delivery import delivery
from notifier.jobs import deliver
from tests.notifier.delivery.slot_alerts import after, verification, waiting
from tests.notifier.world import ACCEPTED, ADDRESSES, change, confirm, get, slots

if TYPE_CHECKING:
    from deploy.sandbox.running import Running

pytestmark = pytest.mark.usefixtures("database", "sandbox", "redis_server")
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


@pytest.mark.parametrize(("name", "wait"), [("email", 15), ("sms", 600), ("telegram", 15)])
def test_a_yes_that_was_not_heard_is_sent_again_after_a_wait(
    name: str,
    wait: int,
    sandbox: "Running",
    settings_env: Callable[..., None],
    frozen: time_machine.Traveller,
) -> None:
    settings_env(PROVIDER_TIMEOUT_SECONDS="0.2")
    opened = slots()
    key = waiting(Channel(name), slot_ids=opened)
    sandbox.provider_mode(name, "yes_without_answer", count=1)
    deliver(str(key))
    row = get(Notification, key)
    assert (row.state, row.next_attempt_at, row.unknown_attempts) == (
        State.PENDING, clock() + timedelta(seconds=wait), 1,
    )  # fmt: skip
    assert str(row.reason).endswith("did not answer: ReadTimeout")
    settings_env(PROVIDER_TIMEOUT_SECONDS="10")
    frozen.shift(wait)
    confirm(opened)
    deliver(str(key))
    assert after(key) == (ACCEPTED[Channel(name)], None)
    assert len(sandbox.messages(name)) == 2


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
