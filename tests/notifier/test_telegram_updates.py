"""The bot's updates by polling, against the stand-in; the commands that register the webhook; who may call it."""

import json
from collections.abc import Callable
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

import notifier
from configs.ground.text import MESSAGE_LANGUAGES
from deploy.sandbox.providers.telegram_chat import Chat
from notifier.channels.provider_base import OutcomeUnknown
from notifier.channels.providers.telegram import SECRET_HEADER
from notifier.message_kinds.telegram import COMMANDS
from notifier.telegram_bot import TelegramRefused, fetch_updates, telegram_command
from tests.notifier.conftest import Posts

if TYPE_CHECKING:
    from deploy.sandbox.running import Running

pytestmark = pytest.mark.usefixtures("whole")
CODE = "vK3J9Qm2cX7dR5tYb1LwZg"
HOOK = "http://127.0.0.1:9/api/telegram/webhook"
CAMILLE = Chat(100000017)


def updates_of(posts: Posts) -> list[dict[str, Any]]:
    return [json.loads(each) for each in posts.bodies]


def as_answer(call: dict[str, Any]) -> tuple[int, bytes]:
    return 200, json.dumps({"received": True} | call).encode()


@pytest.fixture(autouse=True)
def _settings(whole: "Running", posts: Posts, settings_env: Callable[..., None]) -> None:
    settings_env(
        TELEGRAM_WEBHOOK_SECRET="new-secret,old-secret", TELEGRAM_WEBHOOK_URL=HOOK, API_URL=posts.url
    )


def command(name: str, code: int = 0) -> str:
    done = CliRunner().invoke(telegram_command, [name])
    assert done.exit_code == code, (done.output, done.exception)
    return str(done.output)


def test_polling_hands_each_update_to_the_api_once(sandbox: "Running", posts: Posts) -> None:
    sandbox.do(lambda s: s.telegram.say("/start another", Chat(5, "Robin")))
    last = sandbox.do(lambda s: s.telegram.say(f"/start {CODE}", CAMILLE))
    offset = fetch_updates(0, 0)
    assert offset == int(str(last["update_id"])) + 1
    assert [each["message"]["text"] for each in updates_of(posts)] == ["/start another", f"/start {CODE}"]
    assert [(path, found[SECRET_HEADER]) for path, found in zip(posts.paths, posts.headers, strict=True)] == [
        ("/api/telegram/webhook", "new-secret")
    ] * 2
    assert fetch_updates(offset, 0) == offset
    assert len(updates_of(posts)) == 2


@pytest.mark.parametrize(("status", "error"), [(500, OutcomeUnknown), (403, TelegramRefused)])
def test_an_update_that_was_not_handled_comes_again(
    sandbox: "Running", posts: Posts, status: int, error: type[Exception]
) -> None:
    sandbox.do(lambda s: s.telegram.say(f"/start {CODE}", CAMILLE))
    posts.answers = [(status, b"{}")]
    with pytest.raises(error):
        fetch_updates(0, 0)
    fetch_updates(0, 0)
    assert updates_of(posts)[0] == updates_of(posts)[1]


def test_the_calls_that_come_back_are_carried_out(sandbox: "Running", posts: Posts) -> None:
    sandbox.do(lambda s: s.telegram.say("/alerts", CAMILLE))
    posts.answers = [as_answer({"method": "sendMessage", "chat_id": CAMILLE.id, "text": "non"})]
    offset = fetch_updates(0, 0)
    (message,) = sandbox.messages("telegram")
    assert (message.to, message.text) == ("100000017", "non")
    press = sandbox.do(lambda s: s.telegram.press(message, "x"))
    answer = {"method": "answerCallbackQuery", "callback_query_id": press, "text": "fait", "show_alert": True}
    posts.answers = [as_answer(answer)]
    offset = fetch_updates(offset, 0)
    assert updates_of(posts)[-1]["callback_query"]["data"] == "x"
    assert sandbox.do(lambda s: s.telegram.answer_to(press)) == {"text": "fait", "show_alert": True}
    sandbox.do(lambda s: s.telegram.say("/help", CAMILLE))
    posts.answers = [as_answer(answer)]
    assert fetch_updates(offset, 0) == offset + 1, "what Telegram refuses stops nothing"


def test_a_registered_webhook_ends_polling_until_it_is_deleted(sandbox: "Running") -> None:
    assert command("show-webhook") == "no webhook is registered\n0 updates wait\n"
    assert command("set-webhook") == (
        f"Telegram calls {HOOK}\nTelegram lists the commands in {len(MESSAGE_LANGUAGES)} languages\n"
    )
    assert command("show-webhook") == f"Telegram calls {HOOK}\n0 updates wait\n"
    with pytest.raises(TelegramRefused, match="409: Conflict"):
        fetch_updates(0, 0)
    assert command("delete-webhook") == "no webhook is registered\n"
    fetch_updates(0, 0)


def test_the_commands_are_registered_in_every_language(sandbox: "Running") -> None:
    command("set-webhook")
    known = sandbox.do(lambda s: dict(s.telegram.commands))
    registered = {language: each for (scope, language), each in known.items() if scope == "all_private_chats"}
    for language in ["", *MESSAGE_LANGUAGES]:
        found = registered[language]
        assert [each["command"] for each in found] == list(COMMANDS)
        assert all(0 < len(each["description"]) <= 256 for each in found)
    assert registered[""] == registered["fr"]
    assert registered["fr"][0]["description"] == "vos alertes, et des boutons pour chacune"
    assert registered["fr"] != registered["en"]


def test_flask_knows_the_commands() -> None:
    (known,) = entry_points(group="flask.commands", name="telegram")
    assert known.load() is telegram_command


@pytest.mark.parametrize("name", ["TELEGRAM_WEBHOOK_URL", "TELEGRAM_WEBHOOK_SECRET", "TELEGRAM_BOT_TOKEN"])
def test_the_command_says_what_is_missing(settings_env: Callable[..., None], name: str) -> None:
    settings_env(**{name: ""})
    assert f"{name} is not set" in command("set-webhook", code=1)


def test_the_command_says_that_telegram_does_not_answer(sandbox: "Running") -> None:
    sandbox.provider_mode("telegram", "refuse")
    assert "telegram not reached" in command("set-webhook", code=1)


@pytest.mark.parametrize("secret", ["new-secret", "old-secret"])
def test_the_header_may_be_written_in_any_case(secret: str) -> None:
    assert notifier.is_genuine("telegram", {SECRET_HEADER.lower(): secret}, b"")
    assert not notifier.is_genuine("telegram", {}, b"")


@pytest.mark.parametrize("name", ["fax", "telegram"])
def test_a_provider_that_sends_no_receipts_is_named(name: str) -> None:
    with pytest.raises(LookupError, match=name):
        notifier.store_receipts(name, {SECRET_HEADER: "new-secret"}, b"")
