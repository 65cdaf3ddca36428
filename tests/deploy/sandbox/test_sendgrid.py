"""SendGrid's stand-in, called through SendGrid's own SDK."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from python_http_client.exceptions import (
    BadRequestsError,
    InternalServerError,
    TooManyRequestsError,
    UnauthorizedError,
)
from sendgrid import SendGridAPIClient

from deploy.sandbox.running import Running

Visit = Callable[[str | int], Any]


def mail(*recipients: str, **changes: object) -> dict[str, Any]:
    people = [{"to": [{"email": one}], "custom_args": {"notification": one}} for one in recipients]
    return {
        "personalizations": people,
        "from": {"email": "alerte@rdvpriority.fr", "name": "RDVPriority"},
        "subject": "Créneau détecté",
        "content": [
            {"type": "text/plain", "value": "Réservez"},
            {"type": "text/html", "value": "<p>Réservez</p>"},
        ],
        **changes,
    }


@pytest.fixture
def send(sandbox: Running) -> Callable[[dict[str, Any]], Any]:
    client = SendGridAPIClient("SG.tests", host=sandbox.sendgrid)
    client.client.timeout = 5
    return lambda body: client.client.mail.send.post(request_body=body)


def test_a_mail_is_accepted_and_kept(send: Any, sandbox: Running) -> None:
    answer = send(mail("amina@exemple.fr"))
    assert answer.status_code == 202
    (message,) = sandbox.messages("email")
    assert message.provider_id == answer.headers["X-Message-Id"]
    assert (message.channel, message.to, message.subject) == ("email", "amina@exemple.fr", "Créneau détecté")
    assert (message.text, message.html) == ("Réservez", "<p>Réservez</p>")
    assert message.draft.sender == "alerte@rdvpriority.fr"
    assert message.custom == {"notification": "amina@exemple.fr"}
    assert message.milliseconds is None


def test_a_chunk_is_one_call_one_id_and_a_message_for_each(send: Any, sandbox: Running) -> None:
    people = [f"p{number}@exemple.fr" for number in range(100)]
    send(mail(*people))
    kept = sandbox.messages("email")
    assert [message.to for message in kept] == people
    assert len({message.provider_id for message in kept}) == 1
    assert len({message.number for message in kept}) == 100


def test_one_bad_address_refuses_the_whole_chunk(send: Any, sandbox: Running) -> None:
    with pytest.raises(BadRequestsError) as refused:
        send(mail("a@exemple.fr", "b@exemple", "c@exemple.fr"))
    (error,) = refused.value.to_dict["errors"]
    assert error["message"] == "Does not contain a valid address."
    assert error["field"] == "personalizations.1.to.0.email"
    assert sandbox.messages() == []


def test_an_address_that_is_rejected_refuses_the_whole_chunk(send: Any, sandbox: Running) -> None:
    sandbox.provider_mode("email", "reject_address", address="B@exemple.fr")
    with pytest.raises(BadRequestsError) as refused:
        send(mail("a@exemple.fr", "b@exemple.fr"))
    assert refused.value.to_dict["errors"][0]["field"] == "personalizations.1.to.0.email"
    assert sandbox.messages() == []
    assert send(mail("a@exemple.fr")).status_code == 202


def test_the_delay_is_counted_from_when_the_page_was_read(send: Any, sandbox: Running) -> None:
    read = datetime.now(UTC) - timedelta(seconds=2)
    body = mail("a@exemple.fr")
    body["personalizations"][0]["custom_args"]["seen_at"] = read.isoformat()
    send(body)
    (message,) = sandbox.messages()
    assert message.draft.seen_at == read
    assert message.milliseconds is not None
    assert 2000 <= message.milliseconds < 62_000


@pytest.mark.parametrize("told", ["yesterday", "2026-11-20T09:00:00"])
def test_a_moment_that_cannot_be_read_is_said_and_left_out(
    send: Any, sandbox: Running, caplog: pytest.LogCaptureFixture, told: str
) -> None:
    send(mail("a@exemple.fr", custom_args={"seen_at": told}))
    assert sandbox.messages()[0].milliseconds is None
    assert "is no ISO 8601 instant" in caplog.text


def test_values_of_a_person_go_before_those_of_the_mail(send: Any, sandbox: Running) -> None:
    body = mail("a@exemple.fr", custom_args={"notification": "all", "kind": "slot_detected"})
    body["personalizations"][0]["subject"] = "Pour vous"
    body["personalizations"][0]["substitutions"] = {"Réservez": "Réservez vite"}
    send(body)
    (message,) = sandbox.messages()
    assert message.custom == {"notification": "a@exemple.fr", "kind": "slot_detected"}
    assert (message.subject, message.text) == ("Pour vous", "Réservez vite")
    assert message.html == "<p>Réservez vite</p>"


def test_copies_are_sent_too(send: Any, sandbox: Running) -> None:
    body = mail("a@exemple.fr")
    body["personalizations"][0]["cc"] = [{"email": "b@exemple.fr"}]
    send(body)
    assert [message.to for message in sandbox.messages()] == ["a@exemple.fr", "b@exemple.fr"]


def test_sandbox_mode_answers_200_and_sends_nothing(send: Any, sandbox: Running) -> None:
    answer = send(mail("a@exemple.fr", mail_settings={"sandbox_mode": {"enable": True}}))
    assert answer.status_code == 200
    assert sandbox.messages() == []


TWICE = [{"to": [{"email": "a@x.fr"}], "cc": [{"email": "A@x.fr"}]}]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"personalizations": []}, "at least one"),
        ({"personalizations": ["a"]}, "must be an object"),
        ({"personalizations": [{"to": []}]}, "to array is required"),
        ({"personalizations": TWICE}, "should be unique"),
        ({"personalizations": [{"to": [{"email": "a@x.fr"}]}] * 1001}, "limit of 1000"),
        ({"from": {"email": "nobody"}}, "valid address"),
        ({"from": None}, "valid address"),
        ({"subject": ""}, "subject is required"),
        ({"content": []}, "content is required"),
        ({"content": [{"type": "text/plain", "value": ""}]}, "at least one character"),
        (
            {"content": [{"type": "text/html", "value": "x"}, {"type": "text/plain", "value": "x"}]},
            "must be first",
        ),
        ({"custom_args": {"notification": 5}}, "must be strings"),
    ],
)
def test_a_mail_of_the_wrong_shape_is_refused(
    send: Any, sandbox: Running, changes: dict[str, Any], words: str
) -> None:
    with pytest.raises(BadRequestsError) as refused:
        send(mail("a@exemple.fr", **changes))
    assert words in refused.value.to_dict["errors"][0]["message"]
    assert sandbox.messages() == []


@pytest.mark.parametrize("raw", [b"", b"[]", b"{", b"[" * 100_000])
def test_what_is_no_json_object_is_refused(visit: Visit, sandbox: Running, raw: bytes) -> None:
    answer = visit(sandbox.sendgrid).ask("POST", "/v3/mail/send", raw, {"Authorization": "Bearer SG.x"})
    assert answer.status == 400
    assert answer.json["errors"][0]["message"] == "Bad Request"


@pytest.mark.parametrize("credentials", ["", "Basic abc", "Bearer ", "Bearer"])
def test_a_key_is_needed(visit: Visit, sandbox: Running, credentials: str) -> None:
    answer = visit(sandbox.sendgrid).post("/v3/mail/send", mail("a@exemple.fr"), Authorization=credentials)
    assert answer.status == 401
    assert "authorization grant is invalid" in answer.json["errors"][0]["message"]


def test_failures_come_in_sendgrids_shape(send: Any, sandbox: Running) -> None:
    sandbox.provider_mode("email", "rate_limited", seconds=7, count=1)
    with pytest.raises(TooManyRequestsError) as limited:
        send(mail("a@exemple.fr"))
    assert limited.value.headers["Retry-After"] == "7"
    assert int(limited.value.headers["X-RateLimit-Reset"]) >= datetime.now(UTC).timestamp() + 5
    sandbox.provider_mode("email", "error_500", count=1)
    with pytest.raises(InternalServerError):
        send(mail("a@exemple.fr"))
    sandbox.provider_mode("email", "unauthorized", count=1)
    with pytest.raises(UnauthorizedError):
        send(mail("a@exemple.fr"))
    assert send(mail("a@exemple.fr")).status_code == 202
    assert len(sandbox.messages()) == 1
