"""Behaviour that all providers' stand-ins share: modes, kept messages, control."""

import socket
import time
from collections.abc import Callable
from contextlib import closing
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlsplit

import pytest

from deploy.sandbox.control_error import Refusal
from deploy.sandbox.outbox import CHANNELS, Outbox, OutboxDraft
from deploy.sandbox.providers.provider import PROVIDER_MODES
from deploy.sandbox.running import Running

Visit = Callable[[str | int], Any]
SEND = "/bot1:x/sendMessage"
PROVIDERS = {"email": "sendgrid", "sms": "twilio", "telegram": "telegram"}
MESSAGE = {"chat_id": 5, "text": "x"}


def addresses(sandbox: Running) -> dict[str, str]:
    return {"email": sandbox.sendgrid, "sms": sandbox.twilio, "telegram": sandbox.telegram}


def test_each_provider_has_an_address_of_its_own(sandbox: Running) -> None:
    hosts = [address.rpartition(":")[0] for address in addresses(sandbox).values()]
    assert hosts == ["http://127.78.0.1", "http://127.78.0.2", "http://127.78.0.3"]


def test_time_out_keeps_nothing_and_never_answers(visit: Visit, sandbox: Running) -> None:
    sandbox.provider_mode("telegram", "timeout", count=1)
    body = b'{"chat_id": 5, "text": "x"}'
    with pytest.raises(TimeoutError):
        visit(sandbox.telegram).ask("POST", SEND, body, {"Content-Type": "application/json"}, timeout=0.3)
    assert sandbox.messages() == []
    assert visit(sandbox.telegram).post(SEND, MESSAGE).status == 200


def test_yes_without_answer_keeps_the_message_and_never_answers(visit: Visit, sandbox: Running) -> None:
    sandbox.provider_mode("telegram", "yes_without_answer")
    body = b'{"chat_id": 5, "text": "x"}'
    with pytest.raises(TimeoutError):
        visit(sandbox.telegram).ask("POST", SEND, body, {"Content-Type": "application/json"}, timeout=0.3)
    assert [message.text for message in sandbox.messages()] == ["x"]


def test_refuse_lets_nobody_connect_until_the_inbox_says_otherwise(visit: Visit, sandbox: Running) -> None:
    assert visit(sandbox.telegram).post(SEND, MESSAGE).status == 200
    sandbox.provider_mode("telegram", "refuse")
    with pytest.raises(ConnectionRefusedError):
        visit(sandbox.telegram).post(SEND, MESSAGE)
    assert visit(sandbox.sendgrid).get("/_control").status == 200
    answer = visit(sandbox.inbox).post("/api/providers/telegram/mode", {"mode": "normal"})
    assert answer.json["mode"] == "normal"
    assert visit(sandbox.telegram).post(SEND, MESSAGE).status == 200
    assert len(sandbox.messages()) == 2


def ask(standing: HTTPConnection) -> None:
    """Send a message on a connection; its reset may come before the body is written."""
    standing.request("POST", SEND, b"{}", {"Content-Type": "application/json"})
    standing.getresponse()


def test_a_connection_that_stands_is_reset_where_others_are_refused(visit: Visit, sandbox: Running) -> None:
    where = urlsplit(sandbox.telegram)
    standing = HTTPConnection(where.hostname or "", where.port, timeout=60)
    standing.request("GET", "/_control")
    assert standing.getresponse().read()
    sandbox.provider_mode("telegram", "refuse")
    with closing(standing), pytest.raises(ConnectionResetError):
        ask(standing)
    sandbox.reset()
    assert visit(sandbox.telegram).get("/_control").status == 200


def test_reset_ends_the_connection_and_keeps_nothing(visit: Visit, sandbox: Running) -> None:
    sandbox.provider_mode("telegram", "reset", count=1)
    with pytest.raises(ConnectionResetError):
        visit(sandbox.telegram).post(SEND, MESSAGE)
    assert visit(sandbox.telegram).post(SEND, MESSAGE).status == 200
    assert len(sandbox.messages()) == 1


def test_slow_answers_late_and_keeps_the_message(visit: Visit, sandbox: Running) -> None:
    sandbox.provider_mode("telegram", "slow", seconds=0.4)
    start = time.monotonic()
    assert visit(sandbox.telegram).post(SEND, MESSAGE).status == 200
    assert time.monotonic() - start >= 0.4
    assert len(sandbox.messages()) == 1


def test_a_slow_provider_holds_up_no_other(visit: Visit, sandbox: Running) -> None:
    sandbox.provider_mode("telegram", "slow", seconds=3600)
    where = urlsplit(sandbox.telegram)
    with socket.create_connection((where.hostname, where.port), timeout=60) as waiting:
        waiting.sendall(f"POST {SEND} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n".encode())
        assert visit(sandbox.sendgrid).get("/_control").status == 200


@pytest.mark.parametrize("channel", CHANNELS)
def test_the_control_api_shows_and_sets_the_mode(visit: Visit, sandbox: Running, channel: str) -> None:
    visitor = visit(addresses(sandbox)[channel])
    answer = visitor.post("/_control/mode", {"mode": "slow", "seconds": 1.5, "count": 3})
    assert answer.json == {
        "channel": channel, "provider": PROVIDERS[channel], "mode": "slow", "seconds": 1.5, "count": 3, "calls": 0, "messages": 0,
    }  # fmt: skip
    assert visitor.get("/_control").json == answer.json
    assert visitor.post("/_control/reset").json["mode"] == "normal"


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({}, "mode is missing"),
        ({"mode": "overload"}, "unknown mode 'overload'"),
        ({"mode": "slow", "address": "x"}, "no parameter 'address'"),
        ({"mode": "slow", "seconds": -1}, "must not be negative"),
        ({"mode": "reject_address", "address": 5}, "must be like"),
        ({"mode": "slow", "count": "2"}, "count must be a whole number"),
    ],
)
def test_a_wrong_mode_is_told_what_is_wrong(visit: Visit, sandbox: Running, body: object, words: str) -> None:
    answer = visit(sandbox.twilio).post("/_control/mode", body)
    assert answer.status == 422
    assert words in answer.json["error"]


def test_unknown_modes_name_those_that_exist(visit: Visit, sandbox: Running) -> None:
    assert visit(sandbox.twilio).post("/_control/mode", {"mode": "x"}).json["known"] == list(PROVIDER_MODES)


def test_a_provider_lists_its_own_messages(visit: Visit, sandbox: Running) -> None:
    visit(sandbox.telegram).post(SEND, MESSAGE)
    (message,) = visit(sandbox.telegram).get("/_control/messages").json
    assert (message["channel"], message["to"], message["text"]) == ("telegram", "5", "x")
    assert message["received_at"].endswith("Z")
    assert message["seen_at"] is None
    assert visit(sandbox.sendgrid).get("/_control/messages").json == []


def test_reset_forgets_the_providers_own_messages_only(visit: Visit, sandbox: Running) -> None:
    visit(sandbox.telegram).post(SEND, MESSAGE)
    visit(sandbox.sendgrid).post("/_control/reset")
    assert len(sandbox.messages()) == 1
    visit(sandbox.telegram).post("/_control/reset")
    assert sandbox.messages() == []


def test_an_unknown_provider_names_those_that_exist(sandbox: Running) -> None:
    with pytest.raises(Refusal) as refused:
        sandbox.provider_mode("pigeon", "slow")
    assert refused.value.known == [
        "sendgrid",
        "smtp",
        "twilio",
        "twilio_calls",
        "telegram",
        "web_push",
        "stripe",
        "sentry",
        "email",
        "sms",
        "voice",
        "push",
        "payment",
        "errors",
    ]


def test_numbers_are_never_used_twice_and_listeners_hear_each_message() -> None:
    outbox, heard = Outbox(), []
    outbox.listeners.add(lambda message: heard.append(message.number))
    outbox.accept("sms", "1", OutboxDraft(to="+33612345678", text="a"))
    outbox.clear()
    second = outbox.accept("email", "2", OutboxDraft(to="a@b.fr", text="b"))
    assert heard == [1, 2]
    assert outbox.find(1) is None
    assert outbox.find(2) is second
    assert outbox.messages("sms") == []
