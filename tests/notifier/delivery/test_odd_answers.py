"""Answers of providers that no table takes as they are: what was accepted is recorded, and not sent again."""

import json
import secrets
from collections.abc import Callable, Sequence
from typing import Any
from uuid import uuid4

import pytest
from requests import Response
from twilio.base.exceptions import TwilioRestException

from api.models.notification import Notification, State
from notifier.channels import batch_sender
from notifier.channels.provider_base import (
    Acceptance,
    DeliveryError,
    OneCallProvider,
    OutcomeUnknown,
    PermanentError,
    TemporaryError,
)
from notifier.channels.providers import twilio
from notifier.channels.transport import Transport
from notifier.content.outgoing_message import OutgoingMessage, RenderedMessage
from notifier.jobs import deliver
from notifier.receipts.readers import LONGEST_ID
from tests.notifier.world import alert, detection, get, matched, person

pytestmark = pytest.mark.usefixtures("database", "redis_server")
Answered = Callable[[Acceptance | DeliveryError], Notification]


class AnsweringProvider(OneCallProvider):
    """Gives one answer to every call."""

    def __init__(self, answer: Acceptance | DeliveryError) -> None:
        self.answer, self.calls = answer, 0

    def send(self, messages: Sequence[OutgoingMessage]) -> Acceptance:
        self.calls += 1
        if isinstance(self.answer, DeliveryError):
            raise self.answer
        return self.answer


@pytest.fixture
def answered(monkeypatch: pytest.MonkeyPatch) -> Answered:
    """Give a function that delivers one alert by a provider with that answer, and returns its row."""

    def run(answer: Acceptance | DeliveryError) -> Notification:
        alert(person())
        (made,) = matched(detection())
        provider = AnsweringProvider(answer)
        monkeypatch.setitem(batch_sender.providers(), "sendgrid", provider)
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


@pytest.mark.parametrize("code", ["21211", None, [], {}, 10**400, True])
def test_a_code_of_twilio_that_is_none_blames_no_message(code: Any) -> None:
    error = TwilioRestException(400, "/Messages.json", "To", code)
    with pytest.raises(DeliveryError) as caught, twilio._sorted_errors(twilio._SMS):
        raise error
    assert type(caught.value) is TemporaryError


@pytest.mark.parametrize("result", [None, {}, [], {"message_id": "x" * 5000}, {"message_id": {}}])
def test_a_yes_of_telegram_is_one_whatever_follows(
    result: Any, settings_env: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings_env()
    answer = Response()
    answer.status_code, answer._content = 200, json.dumps({"ok": True, "result": result}).encode()
    monkeypatch.setattr(Transport, "post", lambda *_given, **_options: answer)
    mail = OutgoingMessage(RenderedMessage(html="a"), "987654", [uuid4()])
    (got,) = batch_sender.providers()["telegram"].hand_over([mail])
    assert isinstance(got, Acceptance)
    assert len(got.provider_id) <= LONGEST_ID
