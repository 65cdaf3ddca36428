"""Webhooks of receipts: signed calls are taken, others refused, and too large ones before they are read."""

import json
import socket
from collections.abc import Callable
from urllib.parse import urlencode

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from api.models.base import new_id
from api.models.provider_event import ProviderEvent
from configs.settings import settings
from deploy.sandbox.providers.receipts import make_public_key, sign_events, sign_form
from tests.factories import rows
from tests.in_turn import in_turn

SECRET = "tests-receipts"
SENDGRID, TWILIO = "/api/hooks/sendgrid", "/api/hooks/twilio"
CALLS = f"{TWILIO}/calls"
EVENTS = json.dumps(
    [
        {"event": "delivered", "sg_event_id": f"e{each}", "timestamp": 1, "notification_id": str(new_id())}
        for each in range(1000)
    ]
).encode()


@pytest.fixture(autouse=True)
def _keys(client: FlaskClient, settings_env: Callable[..., None]) -> None:
    settings_env(SENDGRID_WEBHOOK_KEY=make_public_key(SECRET), API_URL="https://rdv.example")


def test_a_state_of_an_sms_is_taken_with_the_query_of_its_address(client: FlaskClient) -> None:
    now = settings()
    account, token = now.require("twilio_account_sid"), now.require("twilio_auth_token")
    form = {"AccountSid": account, "MessageSid": "SM1", "MessageStatus": "delivered", "To": "+33612345678"}
    query = f"notifications={new_id()}"
    headers = sign_form(token, f"https://rdv.example{TWILIO}?{query}", form)
    body = urlencode(form)
    assert client.post(f"{TWILIO}?{query}", data=body, headers=headers).status_code == 204
    assert client.post(TWILIO, data=body, headers=headers).status_code == 403
    assert [row.event_id for row in rows(ProviderEvent)] == ["SM1:delivered"]


def report_call(client: FlaskClient) -> TestResponse:
    """Let Twilio report how a call ended."""
    now, path = settings(), f"{CALLS}?notifications={new_id()}"
    about = {"AccountSid": now.require("twilio_account_sid"), "CallSid": "CA1", "To": "+33612345678"}
    form = about | {"CallStatus": "completed", "AnsweredBy": "human"}
    headers = sign_form(now.require("twilio_auth_token"), f"https://rdv.example{path}", form)
    return client.post(path, data=urlencode(form), headers=headers)


def test_the_end_of_a_call_is_taken_and_comes_again_while_the_database_is_away(
    client: FlaskClient, settings_env: Callable[..., None]
) -> None:
    assert report_call(client).status_code == 204
    assert [row.event_id for row in rows(ProviderEvent)] == ["CA1:delivered"]
    settings_env(DATABASE_URL="postgresql://nobody:x@127.0.0.1:1/none")
    assert report_call(client).status_code == 503


@in_turn("path", [SENDGRID, TWILIO, CALLS])
def test_a_call_that_is_not_signed_is_refused(path: str, client: FlaskClient) -> None:
    answer = client.post(path, data=EVENTS)
    assert answer.status_code == 403
    assert rows(ProviderEvent) == []


def test_a_signed_call_that_cannot_be_stored_is_to_come_again_and_is_stored_once(
    client: FlaskClient, settings_env: Callable[..., None], database: str
) -> None:
    headers = sign_events(SECRET, EVENTS, 1)
    settings_env(DATABASE_URL="postgresql://nobody:x@127.0.0.1:1/none")
    answer = client.post(SENDGRID, data=EVENTS, headers=headers)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
    settings_env(DATABASE_URL=database)
    for _ in range(2):
        answer = client.post(SENDGRID, data=EVENTS, headers=headers)
        assert (answer.status_code, answer.json) == (200, {"received": True})
    assert len(rows(ProviderEvent)) == 1000


def test_a_call_waits_for_no_redis(client: FlaskClient, settings_env: Callable[..., None]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        settings_env(REDIS_URL=f"redis://127.0.0.1:{silent.getsockname()[1]}/0")
        assert client.post(SENDGRID, data=EVENTS, headers=sign_events(SECRET, EVENTS, 1)).status_code == 200
        silent.settimeout(0)
        with pytest.raises(BlockingIOError):
            silent.accept()


@in_turn("path", [SENDGRID, TWILIO])
@in_turn("signature", ["é".encode().decode("latin-1"), "=", "A" * 6000])
def test_a_signature_of_any_letters_is_answered(path: str, signature: str, client: FlaskClient) -> None:
    names = (
        "X-Twilio-Email-Event-Webhook-Signature",
        "X-Twilio-Email-Event-Webhook-Timestamp",
        "X-Twilio-Signature",
    )
    assert client.post(path, data=b"[]", headers=dict.fromkeys(names, signature)).status_code == 403
