"""Webhooks: what they accept, that no other route accepts it, and the receipts of messages that come by them."""

import hmac
import io
import json
import re
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from urllib.parse import urlencode

import pytest
import redis
from flask import Flask, request
from flask.testing import FlaskClient
from werkzeug.datastructures import Headers
from werkzeug.test import TestResponse

from api.models.base import new_id
from api.models.provider_event import ProviderEvent
from api.web.request_bodies import LARGEST_WEBHOOK, webhook
from configs.settings import settings
from deploy.sandbox.providers.receipts import make_public_key, sign_events, sign_form
from tests.api.world import statements
from tests.factories import rows
from tests.in_turn import in_turn

SECRET = {"X-Secret": "agreed"}
PATHS = re.compile("/api/(hooks/.+|(telegram|billing)/webhook)")
LARGE = 900_000
BODIES = [
    (b"[1, 2]", "application/json"),
    (b"a=1&b=%00", "application/x-www-form-urlencoded"),
    (b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n--x--', "multipart/form-data; boundary=x"),
    (b"{", "application/json"),
    (b"\x00\xff", "application/octet-stream"),
    (b"", ""),
    (b"[" + b" " * LARGE + b"]", "application/json"),
]


@dataclass
class Hook:
    """An app with a webhook, and the bodies that reached it."""

    app: Flask
    path: str = "/api/hooks/example"
    received: list[bytes] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.app.add_url_rule(self.path, "example", webhook(is_genuine)(self.receive), methods=["POST"])
        self.client = self.app.test_client()

    def receive(self) -> dict[str, bool]:
        self.received.append(request.get_data())
        return {"received": True}

    def call(self, data: bytes = b"[]", media_type: str = "", **headers: str) -> TestResponse:
        return self.client.post(
            self.path, data=data, content_type=media_type or None, headers=SECRET | headers
        )


def is_genuine(headers: Headers, body: bytes) -> bool:
    assert "form" not in vars(request), "parsed before it was verified"
    return body != b"other" and hmac.compare_digest(headers.get("X-Secret", "").encode(), b"agreed")


@pytest.fixture
def hook(make_app: Callable[[], Flask]) -> Hook:
    """Give a webhook of an app without a database."""
    return Hook(make_app())


def test_a_webhook_takes_every_body_as_it_is(hook: Hook) -> None:
    for body, media_type in BODIES:
        answer = hook.call(body, media_type)
        assert (answer.status_code, answer.json) == (200, {"received": True})
        assert hook.received.pop() == body


def test_its_bodies_are_bounded(hook: Hook) -> None:
    answer = hook.call(b" " * (LARGEST_WEBHOOK + 1))
    assert (answer.status_code, answer.mimetype) == (413, "application/problem+json")
    assert str(LARGEST_WEBHOOK) in (answer.json or {})["detail"]
    unknown = hook.client.post(
        hook.path,
        input_stream=io.BytesIO(b" " * (LARGEST_WEBHOOK + 1)),
        headers=SECRET,
        environ_base={"wsgi.input_terminated": True},
    )
    assert unknown.status_code == 413
    assert hook.received == []


@in_turn("body, secret", [(b"[]", "guessed"), (b"other", "agreed"), (b"{", ""), (b"a=1", "\u00e9")])
def test_a_forged_call_costs_no_query_and_is_not_parsed(
    database: str, hook: Hook, body: bytes, secret: str
) -> None:
    answers: list[TestResponse] = []
    assert statements(lambda: answers.append(hook.call(body, **{"X-Secret": secret}))) == 0
    assert (answers[0].status_code, answers[0].mimetype) == (403, "application/problem+json")
    assert (answers[0].json or {})["type"].endswith(":bad-signature")
    assert hook.received == []


@pytest.mark.journey
def test_thousands_of_calls_a_minute_are_taken_from_one_address(
    hook: Hook, redis_server: redis.Redis
) -> None:
    hook.client.get("/api/docs")
    (counter,) = redis_server.keys("api:throttle*")
    redis_server.incrby(counter, 3000)
    assert hook.client.get("/api/docs").status_code == 429
    before = redis_server.get(counter)
    assert {hook.call().status_code for _ in range(3)} == {200}
    assert (redis_server.keys("api:throttle*"), redis_server.get(counter)) == ([counter], before)


def writing_routes(app: Flask) -> Iterator[tuple[str, str, bool]]:
    """Yield method, path and whether it is a webhook, for every route under /api that takes a body."""
    for rule in app.url_map.iter_rules():
        path = re.sub("<[^>]+>", "018f0000-0000-7000-8000-000000000000", rule.rule)
        for method in (rule.methods or set()) & {"POST", "PUT", "PATCH"}:
            if path.startswith("/api/"):
                yield method, path, hasattr(app.view_functions[rule.endpoint], "is_webhook")


def test_webhooks_are_the_agreed_routes_and_no_others(hook: Hook) -> None:
    found = list(writing_routes(hook.app))
    assert len(found) > 3
    assert [path for _, path, is_webhook in found if is_webhook != bool(PATHS.fullmatch(path))] == []


def test_no_other_route_takes_such_bodies(bare: FlaskClient) -> None:
    for method, path, is_webhook in writing_routes(bare.application):
        if is_webhook:
            continue
        for number, (body, media_type, status) in enumerate(
            (
                (b"[1, 2]", "application/json", 422),
                (b"a=1", "application/x-www-form-urlencoded", 415),
                (b'{"a": "' + b"x" * LARGE + b'"}', "application/json", 413),
            )
        ):
            address = {"REMOTE_ADDR": f"192.0.2.{number}"}
            answer = bare.open(path, method=method, data=body, content_type=media_type, environ_base=address)
            assert answer.status_code == status, path


RECEIPTS_KEY = "tests-receipts"
SENDGRID, TWILIO = "/api/hooks/sendgrid", "/api/hooks/twilio"
CALLS = f"{TWILIO}/calls"
EVENTS = json.dumps(
    [
        {"event": "delivered", "sg_event_id": f"e{each}", "timestamp": 1, "notification_id": str(new_id())}
        for each in range(1000)
    ]
).encode()


@pytest.fixture
def client(client: FlaskClient, settings_env: Callable[..., None]) -> FlaskClient:
    settings_env(SENDGRID_WEBHOOK_KEY=make_public_key(RECEIPTS_KEY), API_URL="https://rdv.example")
    return client


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
    headers = sign_events(RECEIPTS_KEY, EVENTS, 1)
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
        assert (
            client.post(SENDGRID, data=EVENTS, headers=sign_events(RECEIPTS_KEY, EVENTS, 1)).status_code
            == 200
        )
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
