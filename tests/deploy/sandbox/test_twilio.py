"""Twilio's stand-in, called through Twilio's own SDK."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from twilio.base.exceptions import TwilioRestException
from twilio.http.http_client import TwilioHttpClient
from twilio.rest import Client

from deploy.sandbox.providers.twilio import segments
from deploy.sandbox.running import Running

Visit = Callable[[str | int], Any]
ACCOUNT = "AC0123456789abcdef0123456789abcdef"
MESSAGES = f"/2010-04-01/Accounts/{ACCOUNT}/Messages.json"
TO, FROM = "+33612345678", "+33700000000"


@pytest.fixture
def client(sandbox: Running) -> Iterator[Client]:
    http = TwilioHttpClient(timeout=60)
    made = Client(ACCOUNT, "token", http_client=http)
    made.api.base_url = sandbox.twilio
    yield made
    http.session.close()


def test_a_message_is_queued_and_kept(client: Client, sandbox: Running) -> None:
    sent = client.messages.create(
        to=TO, from_=FROM, body="RDVPriority : 3 créneaux à Évry", status_callback="http://x/y"
    )
    assert (sent.status, sent.to, sent.from_) == ("queued", TO, FROM)
    assert sent.sid
    assert sent.sid.startswith("SM")
    assert sent.account_sid == ACCOUNT
    assert sent.date_created
    assert abs(sent.date_created - datetime.now(UTC)) < timedelta(seconds=30)
    (message,) = sandbox.messages("sms")
    assert (message.provider_id, message.to, message.text) == (
        sent.sid,
        TO,
        "RDVPriority : 3 créneaux à Évry",
    )
    assert (message.subject, message.html) == (None, None)
    assert message.custom == {"StatusCallback": "http://x/y"}


def test_a_message_has_a_price_only_when_it_is_asked_for_later(client: Client) -> None:
    sent = client.messages.create(to=TO, from_=FROM, body="é" * 161)
    assert (sent.price, sent.num_segments) == (None, "2")
    later = client.messages(str(sent.sid)).fetch()
    assert (later.price, later.price_unit, later.num_segments) == ("-0.1450", "EUR", "2")
    with pytest.raises(TwilioRestException) as refused:
        client.messages("SM0").fetch()
    assert (refused.value.status, refused.value.code) == (404, 20404)


def test_a_messaging_service_may_stand_for_the_sender(client: Client, sandbox: Running) -> None:
    sent = client.messages.create(to=TO, messaging_service_sid="MG1", body="x")
    assert sent.messaging_service_sid == "MG1"
    assert sandbox.messages()[0].draft.sender == "MG1"


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"to": "0612345678"}, 21211),
        ({"to": "+33"}, 21211),
        ({"to": "+336123456789012345"}, 21211),
        ({"to": ""}, 21604),
        ({"from_": ""}, 21603),
        ({"body": ""}, 21602),
        ({"body": "x" * 1601}, 21617),
    ],
)
def test_what_twilio_refuses_is_refused_with_its_code(
    client: Client, sandbox: Running, fields: dict[str, str], code: int
) -> None:
    with pytest.raises(TwilioRestException) as refused:
        client.messages.create(**{"to": TO, "from_": FROM, "body": "x", **fields})
    assert (refused.value.status, refused.value.code) == (400, code)
    assert sandbox.messages() == []


def test_failures_come_in_twilios_shape(client: Client, sandbox: Running) -> None:
    expected = {"rate_limited": (429, 20429), "error_500": (500, 20500), "unauthorized": (401, 20003)}
    for mode, (status, code) in expected.items():
        sandbox.provider_mode("sms", mode, count=1)
        with pytest.raises(TwilioRestException) as refused:
            client.messages.create(to=TO, from_=FROM, body="x")
        assert (refused.value.status, refused.value.code) == (status, code)
    sandbox.provider_mode("sms", "reject_address", address=TO)
    with pytest.raises(TwilioRestException) as rejected:
        client.messages.create(to=TO, from_=FROM, body="x")
    assert rejected.value.code == 21211
    client.messages.create(to="+33687654321", from_=FROM, body="x")
    assert [message.to for message in sandbox.messages()] == ["+33687654321"]


def test_the_rate_limit_says_when_to_come_back(visit: Visit, sandbox: Running) -> None:
    sandbox.provider_mode("sms", "rate_limited", seconds=9)
    assert visit(sandbox.twilio).send(MESSAGES, To=TO).headers["Retry-After"] == "9"


@pytest.mark.parametrize(
    "credentials",
    [
        "",
        "Basic !",
        "Bearer x",
        "Basic QUMyOnRva2Vu",
        "Basic QUMwMTIzNDU2Nzg5YWJjZGVmMDEyMzQ1Njc4OWFiY2RlZjo=",
    ],
)
def test_the_accounts_own_credentials_are_needed(visit: Visit, sandbox: Running, credentials: str) -> None:
    answer = visit(sandbox.twilio).ask("POST", MESSAGES, b"", {"Authorization": credentials})
    assert (answer.status, answer.json["code"]) == (401, 20003)


def test_the_delay_and_the_senders_id_come_in_headers(visit: Visit, sandbox: Running) -> None:
    read = datetime.now(UTC) - timedelta(milliseconds=300)
    headers = {
        "Authorization": "Basic QUMwMTIzNDU2Nzg5YWJjZGVmMDEyMzQ1Njc4OWFiY2RlZjp0b2tlbg==",
        "Content-Type": "application/x-www-form-urlencoded",
        "X-Seen-At": read.isoformat(),
        "X-Notification-Id": "0190",
    }
    body = b"To=%2B33612345678&From=%2B33700000000&Body=x"
    assert visit(sandbox.twilio).ask("POST", MESSAGES, body, headers).status == 201
    assert sandbox.messages()[0].draft.seen_at == read
    assert sandbox.messages()[0].custom == {"notification_id": "0190"}


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("", 1),
        ("x" * 160, 1),
        ("x" * 161, 2),
        ("x" * 306, 2),
        ("x" * 307, 3),
        ("é" * 160, 1),
        ("€" * 80, 1),
        ("€" * 81, 2),
        ("ê" * 70, 1),
        ("ê" * 71, 2),
        ("ê" * 134, 2),
        ("ê" * 135, 3),
        ("🔔" * 35, 1),
        ("🔔" * 36, 2),
    ],
)
def test_segments_are_counted_as_the_networks_do(text: str, count: int) -> None:
    assert segments(text) == count


def test_the_answer_counts_the_segments(client: Client) -> None:
    assert client.messages.create(to=TO, from_=FROM, body="ê" * 71).num_segments == "2"
