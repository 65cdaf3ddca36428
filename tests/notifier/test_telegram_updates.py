"""The commands that register the bot's webhook, against the stand-in; who may call it."""

from collections.abc import Callable
from importlib.metadata import entry_points
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

import notifier
from configs.ground.text import MESSAGE_LANGUAGES
from notifier.channels.providers.telegram import SECRET_HEADER
from notifier.message_kinds.telegram import COMMANDS
from notifier.telegram_bot import telegram_command

if TYPE_CHECKING:
    from tests.running_sandbox import Running

pytestmark = pytest.mark.usefixtures("whole")
HOOK = "http://127.0.0.1:9/api/telegram/webhook"


@pytest.fixture(autouse=True)
def _settings(whole: "Running", settings_env: Callable[..., None]) -> None:
    settings_env(TELEGRAM_WEBHOOK_SECRET="new-secret,old-secret", TELEGRAM_WEBHOOK_URL=HOOK)


def command(name: str, code: int = 0) -> str:
    done = CliRunner().invoke(telegram_command, [name])
    assert done.exit_code == code, (done.output, done.exception)
    return str(done.output)


def test_a_webhook_is_registered_and_shown(sandbox: "Running") -> None:
    assert command("show-webhook") == "no webhook is registered\n0 updates wait\n"
    assert command("set-webhook") == (
        f"Telegram calls {HOOK}\nTelegram lists the commands in {len(MESSAGE_LANGUAGES)} languages\n"
    )
    assert command("show-webhook") == f"Telegram calls {HOOK}\n0 updates wait\n"


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
