"""Buttons of Telegram's stand-in: what it takes, who presses them, and the bot's answers, also by its webhook."""

import http.server
import json
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from deploy.sandbox.outbox import Button, Message
from deploy.sandbox.providers.telegram_people import Chat
from deploy.sandbox.running import Running
from tests.waiting import until

Visit = Callable[[str | int], Any]
BOT = "/bot123456:tests"
KEYBOARD = {"inline_keyboard": [
    [{"text": "Réserver", "url": "http://127.77.0.91/"}],
    [{"text": "Trouvé", "callback_data": "a:f"}, {"text": "Trop tard", "callback_data": "a:l"}],
]}  # fmt: skip


@pytest.fixture
def telegram(visit: Visit, sandbox: Running) -> Any:
    return visit(sandbox.telegram)


@pytest.fixture
def inbox(visit: Visit, sandbox: Running) -> Any:
    return visit(sandbox.inbox)


@pytest.fixture
def message(telegram: Any, sandbox: Running) -> Message:
    sent = {"chat_id": 17, "text": "Créneau", "reply_markup": KEYBOARD}
    assert telegram.post(f"{BOT}/sendMessage", sent).status == 200
    (made,) = sandbox.messages("telegram")
    return made


def updates(telegram: Any, **asked: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = telegram.post(f"{BOT}/getUpdates", asked).json["result"]
    return found


def test_buttons_keep_their_rows_and_their_data(message: Message) -> None:
    assert message.draft.buttons == (
        Button("Réserver", "http://127.77.0.91/"), Button("Trouvé", "", "a:f", 1), Button("Trop tard", "", "a:l", 1),
    )  # fmt: skip
    shown: Any = message.to_json()
    assert shown["buttons"][1] == {"text": "Trouvé", "url": "", "data": "a:f", "row": 1}


@pytest.mark.parametrize(
    ("button", "words"),
    [
        ({"text": "x"}, "Text buttons are unallowed"),
        ({"text": "x", "callback_data": ""}, "BUTTON_DATA_INVALID"),
        ({"text": "x", "callback_data": "é" * 33}, "BUTTON_DATA_INVALID"),
        ({"callback_data": "x"}, "can't parse reply keyboard markup"),
    ],
)
def test_a_button_that_telegram_refuses_is_refused(telegram: Any, button: object, words: str) -> None:
    markup = {"inline_keyboard": [[button]]}
    answer = telegram.post(f"{BOT}/sendMessage", {"chat_id": 17, "text": "x", "reply_markup": markup})
    assert (answer.status, words in answer.json["description"]) == (400, True)
    longest = {"inline_keyboard": [[{"text": "x", "callback_data": "x" * 64}]]}
    sent = {"chat_id": 17, "text": "x", "reply_markup": longest}
    assert telegram.post(f"{BOT}/sendMessage", sent).status == 200


def test_a_press_is_an_update_that_the_bot_answers_once(
    telegram: Any, sandbox: Running, message: Message
) -> None:
    press = sandbox.press_button(message, "Trouvé")
    (update,) = updates(telegram)
    query = update["callback_query"]
    assert (query["id"], query["data"]) == (press, "a:f")
    assert query["from"]["id"] == query["message"]["chat"]["id"] == 17
    assert str(query["message"]["message_id"]) == message.provider_id
    assert sandbox.answer_to(press) is None
    call = {"callback_query_id": press, "text": "Noté", "show_alert": True}
    assert telegram.post(f"{BOT}/answerCallbackQuery", call).json == {"ok": True, "result": True}
    said = sandbox.answer_to(press)
    assert said is not None
    assert (said.text, said.show_alert) == ("Noté", True)
    for wrong in (call, {"callback_query_id": "1"}, {}):
        refused = telegram.post(f"{BOT}/answerCallbackQuery", wrong)
        assert (refused.status, "query ID is invalid" in refused.json["description"]) == (400, True)


def test_an_answer_has_200_characters_at_most(telegram: Any, sandbox: Running, message: Message) -> None:
    press = sandbox.press_button(message, "a:l")
    call = {"callback_query_id": press, "text": "x" * 201}
    assert telegram.post(f"{BOT}/answerCallbackQuery", call).status == 400
    assert telegram.post(f"{BOT}/answerCallbackQuery", call | {"text": "x" * 200}).status == 200


def test_the_modes_hold_for_answers_too(telegram: Any, sandbox: Running, message: Message) -> None:
    press = sandbox.press_button(message, "Trouvé")
    sandbox.provider_mode("telegram", "error_500", count=1)
    call = {"callback_query_id": press}
    assert telegram.post(f"{BOT}/answerCallbackQuery", call).status == 500
    assert telegram.post(f"{BOT}/answerCallbackQuery", call).status == 200


def test_a_button_can_be_pressed_in_another_chat(telegram: Any, sandbox: Running, message: Message) -> None:
    sandbox.press_button(message, "Trouvé", Chat(-18, "Famille", "group", person=19))
    query = updates(telegram)[0]["callback_query"]
    assert query["message"]["chat"] == {"id": -18, "title": "Famille", "type": "group"}
    assert query["from"]["id"] == 19


def test_only_the_kinds_of_updates_are_kept_that_the_bot_asked_for(
    telegram: Any, sandbox: Running, message: Message
) -> None:
    assert updates(telegram, allowed_updates=["message"]) == []
    sandbox.press_button(message, "Trouvé")
    sandbox.write_to_bot("/alerts", Chat(17))
    assert [each["message"]["text"] for each in updates(telegram)] == ["/alerts"]


@pytest.fixture
def hook() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Give a webhook, and the list of what it answers: what comes after the last one is empty."""
    answers: list[dict[str, Any]] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            update = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            said = answers.pop(0) if answers else {}
            if said.get("callback_query_id") == "pressed":
                said |= {"callback_query_id": update["callback_query"]["id"]}
            body = json.dumps(said).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}/hook", answers
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_webhook_may_answer_with_a_call(
    telegram: Any, sandbox: Running, message: Message, hook: tuple[str, list[dict[str, Any]]]
) -> None:
    url, answers = hook
    assert telegram.post(f"{BOT}/setWebhook", {"url": url}).json["ok"] is True
    number = int(message.provider_id)
    answers += [
        {"method": "answerCallbackQuery", "callback_query_id": "pressed", "text": "Noté"},
        {"method": "sendMessage", "chat_id": 17, "text": "oui"},
        {"method": "editMessageText", "chat_id": 17, "message_id": number, "text": "fini"},
        {"method": "sendMessage", "chat_id": 17, "text": ""},
        {"method": "banChatMember", "chat_id": 17},
        {"method": "sendMessage", "chat_id": 17, "text": "dernier"},
    ]
    press = sandbox.press_button(message, "Trouvé")
    for _ in range(5):
        sandbox.write_to_bot("/x", Chat(17))
    until(lambda: len(sandbox.messages()) == 3)
    said = sandbox.answer_to(press)
    assert said is not None
    assert (said.text, said.show_alert) == ("Noté", False)
    assert [each.text for each in sandbox.messages()] == ["fini", "oui", "dernier"]


def test_the_inbox_presses_and_waits_for_the_answer(
    telegram: Any, inbox: Any, message: Message, hook: tuple[str, list[dict[str, Any]]]
) -> None:
    url, answers = hook
    telegram.post(f"{BOT}/setWebhook", {"url": url})
    answers.append({"method": "answerCallbackQuery", "callback_query_id": "pressed", "text": "Noté"})
    pressed = inbox.post("/api/telegram/press", {"message": message.number, "button": "Trop"})
    assert pressed.json == {"answered": True, "text": "Noté", "show_alert": False}
    answers.append({"method": "answerCallbackQuery", "callback_query_id": "pressed"})
    pressed = telegram.post("/_control/press", {"message": message.number, "data": "forged"})
    assert pressed.json == {"answered": True, "text": "", "show_alert": False}


def test_the_inbox_writes_to_the_bot(telegram: Any, inbox: Any) -> None:
    said = inbox.post(
        "/api/telegram/say", {"chat": "17", "text": "/alerts", "name": "Robin", "language": "de"}
    )
    (update,) = updates(telegram)
    assert update["update_id"] == said.json["update_id"]
    assert (update["message"]["text"], update["message"]["from"]["first_name"]) == ("/alerts", "Robin")
    assert update["message"]["from"]["language_code"] == "de"


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("press", {}, 404),
        ("press", {"message": 10**9}, 404),
        ("press", {"message": "1"}, 422),
        ("say", {"chat": "17"}, 422),
        ("say", {"chat": "17", "text": " "}, 422),
        ("say", {"chat": "x", "text": "/alerts"}, 422),
        ("say", {"text": "/alerts"}, 422),
        ("say", {"chat": "17", "text": "/alerts", "more": 1}, 422),
    ],
)
def test_what_says_nothing_is_refused(
    telegram: Any, inbox: Any, path: str, body: object, status: int
) -> None:
    assert inbox.post(f"/api/telegram/{path}", body).status == status
    assert updates(telegram) == []


def test_a_button_that_is_not_there_names_those_that_are(inbox: Any, message: Message) -> None:
    answer = inbox.post("/api/telegram/press", {"message": message.number, "button": "Réserver"})
    assert (answer.status, answer.json["known"]) == (422, ["Trouvé", "Trop tard"])


def test_commands_are_kept_by_scope_and_language(telegram: Any, sandbox: Running) -> None:
    commands = [{"command": "alerts", "description": "vos alertes"}]
    scope = {"type": "all_private_chats"}
    sent = {"commands": commands, "scope": scope, "language_code": "fr"}
    assert telegram.post(f"{BOT}/setMyCommands", sent).json["result"] is True
    assert sandbox.bot_commands("fr") == commands
    assert sandbox.bot_commands() == []
    shown = telegram.post(f"{BOT}/getMyCommands", {"scope": scope, "language_code": "fr"})
    assert shown.json["result"] == commands
    for wrong in ([{"command": "Alerts", "description": "x"}], [{"command": "a"}], "x", None):
        assert telegram.post(f"{BOT}/setMyCommands", {"commands": wrong}).status == 400
    sandbox.reset()
    assert sandbox.bot_commands("fr") == []
