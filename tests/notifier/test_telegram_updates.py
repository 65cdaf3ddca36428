"""The bot's updates by polling and by webhook, against the stand-in; and the commands that register the webhook."""

import hashlib
from collections.abc import Callable
from datetime import timedelta
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

import notifier
from api.models.base import session
from api.models.contact_linking import TelegramLink
from configs.clock import clock
from configs.settings import SettingMissing
from notifier.poll import fetch_updates
from notifier.telegram_api import TelegramRefused
from notifier.telegram_updates import SECRET_HEADER
from notifier.webhook_command import telegram_command
from tests.notifier.world import Person, person

if TYPE_CHECKING:
    from deploy.sandbox.running import Running

pytestmark = pytest.mark.usefixtures("whole")
CODE = "vK3J9Qm2cX7dR5tYb1LwZg"
HOOK = "http://127.0.0.1:9/api/telegram/webhook"


@pytest.fixture(autouse=True)
def _secret(whole: "Running", settings_env: Callable[..., None]) -> None:
    settings_env(TELEGRAM_WEBHOOK_SECRET="new-secret,old-secret", TELEGRAM_WEBHOOK_URL=HOOK)


def waits(who: Person, code: str = CODE) -> None:
    """Write a link as the API does."""
    with session() as s:
        s.add(
            TelegramLink(
                user_id=who.id, code_hash=hashlib.sha256(code.encode()).digest(), created_at=clock(),
                expires_at=clock() + timedelta(minutes=10),
            )
        )  # fmt: skip


def linked(who: Person) -> tuple[str | None, str | None]:
    with session() as s:
        link = s.get_one(TelegramLink, who.id)
        return link.chat_id, link.chat_name


def command(name: str, code: int = 0) -> str:
    done = CliRunner().invoke(telegram_command, [name])
    assert done.exit_code == code, (done.output, done.exception)
    return str(done.output)


def test_polling_passes_each_update_on_once(sandbox: "Running") -> None:
    who = person()
    waits(who)
    sandbox.press_start("another", 5, "Robin")
    last = sandbox.press_start(CODE, 100000017, "Camille Martin")
    offset = fetch_updates(0, 0)
    assert offset == int(str(last["update_id"])) + 1
    assert linked(who) == ("100000017", "Camille Martin")
    assert fetch_updates(offset, 0) == offset


def test_an_update_that_was_not_handled_comes_again(
    sandbox: "Running", monkeypatch: pytest.MonkeyPatch
) -> None:
    who = person()
    waits(who)
    sandbox.press_start(CODE, 17, "Camille")

    def fail(*_: Any) -> None:
        raise ConnectionError

    with monkeypatch.context() as patch:
        patch.setattr(notifier, "receive", fail)
        with pytest.raises(ConnectionError):
            fetch_updates(0, 0)
    fetch_updates(0, 0)
    assert linked(who) == ("17", "Camille")


def test_a_group_is_not_linked(sandbox: "Running") -> None:
    who = person()
    waits(who)
    sandbox.press_start(CODE, -100, "Famille", kind="group")
    fetch_updates(0, 0)
    assert linked(who) == (None, None)


def test_a_registered_webhook_ends_polling_until_it_is_deleted(sandbox: "Running") -> None:
    assert command("show-webhook") == "no webhook is registered\n0 updates wait\n"
    assert command("set-webhook") == f"Telegram calls {HOOK}\n"
    assert command("show-webhook") == f"Telegram calls {HOOK}\n0 updates wait\n"
    with pytest.raises(TelegramRefused, match="409: Conflict"):
        fetch_updates(0, 0)
    assert command("delete-webhook") == "no webhook is registered\n"
    fetch_updates(0, 0)


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


def test_polling_needs_a_secret(settings_env: Callable[..., None]) -> None:
    settings_env(TELEGRAM_WEBHOOK_SECRET="")
    with pytest.raises(SettingMissing, match="TELEGRAM_WEBHOOK_SECRET"):
        fetch_updates(0, 0)


@pytest.mark.parametrize("headers", [{}, {SECRET_HEADER: "wrong"}, {SECRET_HEADER: ""}])
def test_a_forged_call_is_refused(headers: dict[str, str]) -> None:
    assert not notifier.is_genuine("telegram", headers, b"")
    with pytest.raises(notifier.CallRefused):
        notifier.receive("telegram", headers, b"{}")


@pytest.mark.parametrize("secret", ["new-secret", "old-secret"])
def test_the_header_may_be_written_in_any_case(secret: str) -> None:
    assert notifier.is_genuine("telegram", {SECRET_HEADER.lower(): secret}, b"")


def test_a_provider_that_sends_nothing_is_named() -> None:
    with pytest.raises(LookupError, match="'fax'"):
        notifier.receive("fax", {}, b"")
