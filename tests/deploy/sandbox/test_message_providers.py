"""Contracts of the stand-ins of SendGrid, Twilio and Telegram: they refuse what the providers refuse.

A laxer one would let a message of ours pass that the provider does not take. SendGrid's and Twilio's are called by their
own libraries, Telegram's as its Bot API is.

What they accept and how they fail is tried where the notifier sends (tests/notifier/channels/providers, web_push).
"""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests
from python_http_client.exceptions import BadRequestsError
from sendgrid import SendGridAPIClient
from twilio.base.exceptions import TwilioRestException
from twilio.http.http_client import TwilioHttpClient
from twilio.rest import Client

from deploy.sandbox.outbox import Message
from tests.in_turn import in_turn
from tests.running_sandbox import Running

Post = Callable[[str, object], tuple[int, Any]]
ACCOUNT = "AC0123456789abcdef0123456789abcdef"
TO, FROM = "+33612345678", "+33700000000"
BOT = "/bot123456:tests"
TEXTS = [{"type": "text/plain", "value": "Réservez"}, {"type": "text/html", "value": "<p>Réservez</p>"}]
TWICE = [{"to": [{"email": one}]} for one in ("a@exemple.fr", "A@exemple.fr")]


def mail(*recipients: str, **changes: object) -> dict[str, Any]:
    return {
        "personalizations": [{"to": [{"email": one}]} for one in recipients],
        "from": {"email": "alerte@rdvpriority.fr"},
        "subject": "Créneau détecté",
        "content": TEXTS,
        **changes,
    }


def send_mail(sandbox: Running, body: dict[str, Any]) -> Any:
    return SendGridAPIClient("SG.tests", host=sandbox.sendgrid).client.mail.send.post(request_body=body)


def test_sendgrid_takes_a_chunk_whole_or_not_at_all(sandbox: Running) -> None:
    with pytest.raises(BadRequestsError) as refused:
        send_mail(sandbox, mail("a@exemple.fr", "b@exemple", "c@exemple.fr"))
    assert refused.value.to_dict["errors"][0]["field"] == "personalizations.1.to.0.email"
    sandbox.provider_mode("email", "reject_address", address="B@exemple.fr")
    with pytest.raises(BadRequestsError):
        send_mail(sandbox, mail("a@exemple.fr", "b@exemple.fr"))
    assert sandbox.messages() == []
    people = [f"p{number}@exemple.fr" for number in range(100)]
    answer = send_mail(sandbox, mail(*people))
    kept = sandbox.messages("email")
    assert [message.to for message in kept] == people
    assert {message.provider_id for message in kept} == {answer.headers["X-Message-Id"]}


@in_turn(
    "changes, words",
    [
        ({"personalizations": TWICE}, "only be included once"),
        ({"personalizations": [{"to": [{"email": "a@exemple.fr"}]}] * 1001}, "at most 1000"),
        ({"from": {"email": "nobody"}}, "match pattern"),
        ({"subject": ""}, "subject is required"),
        ({"content": TEXTS[::-1]}, "must be first"),
        ({"custom_args": {"notification": 5}}, "valid string"),
    ],
)
def test_sendgrid_refuses(sandbox: Running, changes: dict[str, Any], words: str) -> None:
    with pytest.raises(BadRequestsError) as refused:
        send_mail(sandbox, mail("a@exemple.fr", **changes))
    assert words in refused.value.to_dict["errors"][0]["message"]
    assert sandbox.messages() == []


@pytest.fixture
def twilio(sandbox: Running) -> Iterator[Callable[[str], Client]]:
    """Give clients of one of Twilio's stand-ins."""
    http = TwilioHttpClient(timeout=60)

    def make(address: str) -> Client:
        made = Client(ACCOUNT, "token", http_client=http)
        made.api.base_url = address
        return made

    yield make
    http.session.close()


def refusal_of(call: Callable[[], object]) -> int:
    with pytest.raises(TwilioRestException) as refused:
        call()
    return int(refused.value.code)


@in_turn(
    "fields, code",
    [
        ({"to": "0612345678"}, 21211),
        ({"to": ""}, 21604),
        ({"from_": ""}, 21603),
        ({"body": ""}, 21602),
        ({"body": "x" * 1601}, 21617),
    ],
)
def test_twilio_refuses_an_sms(
    twilio: Callable[[str], Client], sandbox: Running, fields: dict[str, str], code: int
) -> None:
    sent = {"to": TO, "from_": FROM, "body": "x", **fields}
    assert refusal_of(lambda: twilio(sandbox.twilio).messages.create(**sent)) == code
    assert sandbox.messages() == []


@in_turn(
    "fields, code",
    [
        ({"to": "0639980017"}, 21211),
        ({"from_": "RDVPriority"}, 21212),
        ({"status_callback": "ftp://x"}, 21205),
        ({"twiml": "words"}, 21218),
    ],
)
def test_twilio_refuses_a_call(
    twilio: Callable[[str], Client], sandbox: Running, fields: dict[str, str], code: int
) -> None:
    placed = {
        "to": TO,
        "from_": FROM,
        "twiml": "<Response><Say>a</Say></Response>",
        "status_callback": "http://127.0.0.1:1/",
        **fields,
    }
    assert refusal_of(lambda: twilio(sandbox.twilio_calls).calls.create(**placed)) == code
    assert sandbox.messages() == []


@pytest.fixture
def telegram(sandbox: Running) -> Post:
    """Give what posts JSON to Telegram's stand-in; returns status and answer."""
    return lambda path, body: _post(f"{sandbox.telegram}{BOT}/{path}", body)


def _post(url: str, body: Any) -> tuple[int, Any]:
    answer = requests.post(url, json=body, timeout=60)
    return answer.status_code, answer.json()


def buttons(**button: str) -> dict[str, Any]:
    return {"inline_keyboard": [[button]]}


@in_turn(
    "sent, words",
    [
        ({"chat_id": "someone"}, "chat not found"),
        ({"text": "  "}, "message text is empty"),
        ({"text": "x" * 4097}, "message is too long"),
        ({"text": "<b>x", "parse_mode": "HTML"}, "can't parse entities"),
        ({"text": "<b><i>x</b></i>", "parse_mode": "HTML"}, "can't parse entities"),
        ({"text": "<p>x</p>", "parse_mode": "HTML"}, 'Unsupported start tag "p"'),
        ({"reply_markup": buttons(text="x")}, "Text buttons are unallowed"),
        ({"reply_markup": buttons(callback_data="x")}, "reply keyboard markup"),
        ({"reply_markup": buttons(text="x", callback_data="é" * 33)}, "BUTTON_DATA_INVALID"),
    ],
)
def test_telegram_refuses_a_message(
    telegram: Post, sandbox: Running, sent: dict[str, Any], words: str
) -> None:
    status, answer = telegram("sendMessage", {"chat_id": 5, "text": "x"} | sent)
    assert (status, answer["ok"]) == (400, False)
    assert words in answer["description"]
    assert sandbox.messages() == []


def test_telegram_counts_the_length_without_tags_and_takes_64_bytes_of_data(telegram: Post) -> None:
    sent = {"chat_id": 5, "text": "<b>" + "x" * 4096 + "</b>", "parse_mode": "HTML"}
    assert telegram("sendMessage", sent)[0] == 200
    sent = {"chat_id": 5, "text": "x", "reply_markup": buttons(text="x", callback_data="x" * 64)}
    assert telegram("sendMessage", sent)[0] == 200


@pytest.fixture
def message(telegram: Post, sandbox: Running) -> Message:
    """Give a message with a button to press."""
    sent = {"chat_id": 17, "text": "Créneau", "reply_markup": buttons(text="Trouvé", callback_data="a:f")}
    assert telegram("sendMessage", sent)[0] == 200
    (made,) = sandbox.messages("telegram")
    return made


def test_telegram_edits_only_the_chat_s_own_message_and_only_to_another_text(
    telegram: Post, sandbox: Running, message: Message
) -> None:
    edit = {"chat_id": 17, "message_id": int(message.provider_id), "text": "parti"}
    for wrong in ({"message_id": 10**9}, {"chat_id": 18}, {"text": " "}):
        assert telegram("editMessageText", edit | wrong)[0] == 400
    assert telegram("editMessageText", edit)[0] == 200
    assert "is not modified" in telegram("editMessageText", edit)[1]["description"]
    assert [each.text for each in sandbox.messages()] == ["parti"]


def test_telegram_takes_one_answer_to_a_press_of_200_characters(
    telegram: Post, sandbox: Running, message: Message
) -> None:
    press = sandbox.do(lambda each: each.telegram.press(message, "a:f"))
    answer = {"callback_query_id": press, "text": "x" * 200}
    for wrong in ({"text": "x" * 201}, {"callback_query_id": "1"}):
        assert telegram("answerCallbackQuery", answer | wrong)[0] == 400
    assert telegram("answerCallbackQuery", answer)[0] == 200
    assert telegram("answerCallbackQuery", answer)[0] == 400


def test_telegram_refuses_commands_that_nobody_could_type(telegram: Post) -> None:
    for wrong in ([{"command": "Alerts", "description": "x"}], [{"command": "a"}], "x"):
        assert telegram("setMyCommands", {"commands": wrong})[0] == 400
