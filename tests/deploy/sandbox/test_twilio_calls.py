"""Twilio's Calls resource as its SDK meets it: what it takes and refuses, and calls that ring on the inbox page."""

from collections.abc import Callable
from typing import Any

import pytest
from twilio.base.exceptions import TwilioRestException
from twilio.rest import Client

from deploy.sandbox.providers.phone_call import Script
from deploy.sandbox.running import Running
from tests.waiting import until

ACCOUNT = "AC0123456789abcdef0123456789abcdef"
CALL = {"to": "+33639980017", "from_": "+33162000001", "url": "http://127.0.0.1:1/say", "timeout": 60}


@pytest.fixture
def client(sandbox: Running) -> Client:
    made = Client(ACCOUNT, "tests-token")
    made.api.base_url = sandbox.twilio_calls
    return made


def place(client: Client, **changed: Any) -> Any:
    return client.calls.create(**CALL | {"status_callback": "http://127.0.0.1:1/end"} | changed)


def wait_for(client: Client, sid: str, status: str) -> None:
    until(lambda: client.calls(sid).fetch().status == status)


def test_a_call_rings_and_is_shown(client: Client, sandbox: Running) -> None:
    made = place(client)
    (shown,) = sandbox.messages("voice")
    assert (shown.to, shown.provider_id, shown.custom["CallStatus"]) == (CALL["to"], made.sid, "ringing")
    assert client.calls(made.sid).fetch().price is None


@pytest.mark.parametrize(
    ("changed", "code"),
    [({"to": "0639980017"}, 21211), ({"from_": "RDVPriority"}, 21212), ({"url": "ftp://x"}, 21205)],
)
def test_what_twilio_refuses_is_refused_with_its_code(
    client: Client, changed: dict[str, str], code: int
) -> None:
    with pytest.raises(TwilioRestException) as refused:
        place(client, **changed)
    assert refused.value.code == code


def test_nobody_is_known_at_once_and_a_busy_line_too(client: Client, sandbox: Running) -> None:
    for mode, status in (("nobody", "no-answer"), ("busy", "busy"), ("failed", "failed")):
        sandbox.call_answers(mode)
        wait_for(client, place(client).sid, status)


def test_a_call_whose_address_does_not_answer_ends(client: Client, sandbox: Running) -> None:
    sandbox.call_answers("machine")
    sid = place(client).sid
    wait_for(client, sid, "completed")


def test_a_button_of_the_page_ends_the_ringing(
    client: Client, sandbox: Running, visit: Callable[[str], Any]
) -> None:
    sid = place(client).sid
    assert visit(sandbox.inbox).post(f"/api/calls/{sid}", {"action": "busy"}).status == 200
    wait_for(client, sid, "busy")
    assert visit(sandbox.inbox).post(f"/api/calls/{sid}", {"action": "busy"}).status == 409
    assert visit(sandbox.inbox).post("/api/calls/CA0", {"action": "busy"}).status == 404
    assert visit(sandbox.inbox).post(f"/api/calls/{sid}", {"action": "sing"}).status == 422


def test_who_answers_is_set_by_the_page(sandbox: Running, visit: Callable[[str], Any]) -> None:
    answer = visit(sandbox.inbox).post("/api/calls/answers", {"mode": "person", "keys": "12"})
    assert (answer.status, answer.json["mode"], answer.json["keys"]) == (200, "person", "12")
    assert "machine" in visit(sandbox.inbox).post("/api/calls/answers", {"mode": "x"}).json["known"]


def test_a_document_says_its_texts_and_where_its_key_goes() -> None:
    said = Script.parse(
        "<Response><Gather action='/key' timeout='8'><Say>one</Say><Say>two</Say></Gather><Say>bye</Say></Response>"
    )
    assert said == Script(("one", "two"), "/key", 8)
    assert Script.parse("<Response><Say>bye</Say><Hangup/></Response>") == Script(("bye",))
