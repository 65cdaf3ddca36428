"""Attempts that failed: what is tried again, when, and what ends a message or its contact."""

import secrets
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
import time_machine
from structlog.testing import capture_logs

from api.models.base import engine
from api.models.notification import Notification, State
from api.models.user import Channel, Contact, ContactState
from configs.ground.clock import clock
from notifier.channels import batch_sender
from notifier.channels.provider_base import (
    Acceptance,
    DeliveryError,
    OutcomeUnknown,
    PermanentError,
    TemporaryError,
)
from notifier.delivery import delivery
from notifier.jobs import deliver
from notifier.receipts.readers import LONGEST_ID
from tests.notifier.delivery.ending_job import Answering
from tests.notifier.world import (
    ACCEPTED,
    ADDRESSES,
    after,
    alert,
    change,
    confirm,
    detection,
    get,
    matched,
    person,
    slots,
    verification,
    waiting,
)

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


def use(monkeypatch: pytest.MonkeyPatch, answer: Any) -> Answering:
    monkeypatch.setitem(batch_sender.providers(), "sendgrid", made := Answering(answer))
    return made


@pytest.mark.rule("3.6")
def test_no_connection_is_held_while_a_provider_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    held = []
    use(monkeypatch, lambda _: held.append(engine().pool.checkedout()))  # type: ignore[attr-defined]
    deliver(str(waiting()))
    assert held == [0]


def test_whatever_a_provider_raises_is_in_the_row(monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, ZeroDivisionError())
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
        assert provider.calls == [1]
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
