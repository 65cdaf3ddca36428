"""Telegram's stand-in, called by plain HTTP as the Bot API is."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from deploy.sandbox.outbox import Button
from deploy.sandbox.providers.telegram import visible_text
from deploy.sandbox.running import Running

Visit = Callable[[str | int], Any]
SEND = "/bot123456:tests/sendMessage"
KEYBOARD = {"inline_keyboard": [[{"text": "Réserver maintenant", "url": "http://127.77.0.91/"}]]}


@pytest.fixture
def telegram(visit: Visit, sandbox: Running) -> Any:
    return visit(sandbox.telegram)


def test_a_message_is_accepted_and_kept(telegram: Any, sandbox: Running) -> None:
    text = "<b>Créneau détecté</b> &amp; plus"
    sent = {"chat_id": 5550123, "text": text, "parse_mode": "HTML", "reply_markup": KEYBOARD}
    answer = telegram.post(SEND, sent)
    assert answer.status == 200
    assert answer.json["ok"] is True
    result = answer.json["result"]
    assert result["chat"] == {"id": 5550123, "type": "private"}
    assert result["text"] == "Créneau détecté & plus"
    (message,) = sandbox.messages("telegram")
    assert message.provider_id == str(result["message_id"])
    assert (message.to, message.text, message.html) == ("5550123", text, text)
    assert message.draft.buttons == (Button("Réserver maintenant", "http://127.77.0.91/"),)


def test_each_message_has_an_id_of_its_own(telegram: Any) -> None:
    ids = [telegram.post(SEND, {"chat_id": 1, "text": "x"}).json["result"]["message_id"] for _ in range(3)]
    assert len(set(ids)) == 3


def test_a_form_is_taken_as_well_as_json(telegram: Any, sandbox: Running) -> None:
    answer = telegram.send(SEND, chat_id="-100123", text="x", reply_markup=json.dumps(KEYBOARD))
    assert answer.status == 200
    (message,) = sandbox.messages()
    assert (message.to, message.html, len(message.draft.buttons)) == ("-100123", None, 1)


def test_a_channel_is_named(telegram: Any) -> None:
    answer = telegram.post(SEND, {"chat_id": "@rdvpriority", "text": "x"})
    assert answer.json["result"]["chat"] == {"username": "rdvpriority", "type": "channel"}


@pytest.mark.parametrize(
    ("sent", "words"),
    [
        ({}, "chat_id is empty"),
        ({"chat_id": "someone", "text": "x"}, "chat not found"),
        ({"chat_id": 5}, "message text is empty"),
        ({"chat_id": 5, "text": "  "}, "message text is empty"),
        ({"chat_id": 5, "text": 7}, "message text is empty"),
        ({"chat_id": 5, "text": "x" * 4097}, "message is too long"),
        ({"chat_id": 5, "text": "<b>x", "parse_mode": "HTML"}, "can't parse entities"),
        ({"chat_id": 5, "text": "<p>x</p>", "parse_mode": "html"}, 'Unsupported start tag "p"'),
        ({"chat_id": 5, "text": "x", "reply_markup": "{"}, "reply keyboard markup"),
        ({"chat_id": 5, "text": "x", "reply_markup": {"inline_keyboard": [[{}]]}}, "reply keyboard markup"),
        ({"chat_id": 5, "text": "x", "reply_markup": [1]}, "reply keyboard markup"),
        ([1], "can't parse JSON object"),
    ],
)
def test_what_telegram_refuses_is_refused_in_its_words(
    telegram: Any, sandbox: Running, sent: object, words: str
) -> None:
    answer = telegram.post(SEND, sent)
    assert answer.status == 400
    assert answer.json["ok"] is False
    assert answer.json["error_code"] == 400
    assert answer.json["description"].startswith("Bad Request: ")
    assert words in answer.json["description"]
    assert sandbox.messages() == []


def test_tags_do_not_count_in_the_length(telegram: Any) -> None:
    text = "<b>" + "x" * 4096 + "</b>"
    assert telegram.post(SEND, {"chat_id": 5, "text": text, "parse_mode": "HTML"}).status == 200


def test_failures_come_in_telegrams_shape(telegram: Any, sandbox: Running) -> None:
    message = {"chat_id": 5, "text": "x"}
    sandbox.provider_mode("telegram", "rate_limited", seconds=11, count=1)
    limited = telegram.post(SEND, message)
    assert (limited.status, limited.json["parameters"]) == (429, {"retry_after": 11})
    sandbox.provider_mode("telegram", "error_500", count=1)
    assert telegram.post(SEND, message).json["error_code"] == 500
    sandbox.provider_mode("telegram", "unauthorized", count=1)
    assert telegram.post(SEND, message).json["description"] == "Unauthorized"
    sandbox.provider_mode("telegram", "reject_address", address="5")
    blocked = telegram.post(SEND, message)
    assert (blocked.status, blocked.json["description"]) == (403, "Forbidden: bot was blocked by the user")
    assert telegram.post(SEND, {"chat_id": 6, "text": "x"}).status == 200
    assert [kept.to for kept in sandbox.messages()] == ["6"]


def test_the_delay_and_the_senders_id_come_in_headers(telegram: Any, sandbox: Running) -> None:
    read = datetime.now(UTC) - timedelta(seconds=1)
    headers = {"X_Seen_At": read.isoformat(), "X_Notification_Id": "0190"}
    telegram.post(SEND, {"chat_id": 5, "text": "x"}, **headers)
    (message,) = sandbox.messages()
    assert message.custom == {"notification_id": "0190"}
    assert message.milliseconds is not None
    assert 1000 <= message.milliseconds < 61_000


@pytest.mark.parametrize(
    ("text", "visible", "problem"),
    [
        ("simple", "simple", None),
        ('<b>a</b> <i>b</i> <a href="http://x/?a=1&amp;b=2">c</a>', "a b c", None),
        ("<b><i>a</i></b>", "a", None),
        ("<b><i>a</b></i>", "a", 'Unmatched end tag "b"'),
        ("a</b>", "a", 'Unmatched end tag "b"'),
        ("<i>a", "a", 'Can\'t find end tag corresponding to start tag "i"'),
        ("<script>a</script>", "a", 'Unsupported start tag "script"'),
        ("1 &lt; 2 &amp; 3", "1 < 2 & 3", None),
    ],
)
def test_the_tags_of_a_text_are_checked(text: str, visible: str, problem: str | None) -> None:
    assert visible_text(text) == (visible, problem)


EDIT = "/bot123456:tests/editMessageText"


def sent_id(telegram: Any, **fields: Any) -> int:
    body = {"chat_id": 5550123, "text": "<b>Créneau détecté</b>", "parse_mode": "HTML"} | fields
    return int(telegram.post(SEND, body).json["result"]["message_id"])


def test_a_message_is_edited_in_its_place(telegram: Any, sandbox: Running) -> None:
    number = sent_id(telegram, reply_markup=KEYBOARD)
    other = sent_id(telegram, text="autre")
    gone = {"chat_id": 5550123, "message_id": number, "text": "<s>Créneau</s> parti", "parse_mode": "HTML"}
    answer = telegram.post(EDIT, gone)
    assert (answer.status, answer.json["result"]["message_id"]) == (200, number)
    assert answer.json["result"]["text"] == "Créneau parti"
    first, second = sandbox.messages("telegram")
    assert (first.text, first.draft.buttons) == (gone["text"], ())
    assert (first.text_before, first.provider_id) == ("<b>Créneau détecté</b>", str(number))
    assert first.edited_at is not None
    assert first.edited_at >= first.received_at
    assert (second.provider_id, second.edited_at) == (str(other), None)


def test_what_an_edit_may_not_do_is_refused_in_telegrams_words(telegram: Any, sandbox: Running) -> None:
    number = sent_id(telegram)
    gone = {"chat_id": 5550123, "message_id": number, "text": "parti"}
    refused = [
        telegram.post(EDIT, gone | {"message_id": number + 100}),
        telegram.post(EDIT, gone | {"chat_id": 5550124}),
        telegram.post(EDIT, gone | {"text": "<b>Créneau détecté</b>", "parse_mode": "HTML"}),
        telegram.post(EDIT, gone | {"text": " "}),
    ]
    assert [each.status for each in refused] == [400] * 4
    words = ["edit not found", "edit not found", "is not modified", "text is empty"]
    assert all(
        part in each.json["description"].replace("message to ", "")
        for each, part in zip(refused, words, strict=True)
    )
    assert [each.edited_at for each in sandbox.messages()] == [None]


def test_an_edit_meets_the_modes_of_the_provider(telegram: Any, sandbox: Running) -> None:
    number = sent_id(telegram)
    telegram.post("/_control/mode", {"mode": "rate_limited", "seconds": 3})
    answer = telegram.post(EDIT, {"chat_id": 5550123, "message_id": number, "text": "parti"})
    assert (answer.status, answer.json["parameters"]) == (429, {"retry_after": 3})
    assert sandbox.messages()[0].text_before is None
