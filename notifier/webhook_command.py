"""Calls of the Telegram Bot API about updates, and the commands set-webhook, show-webhook and delete-webhook.

`python -m notifier.webhook_command`, which needs no Flask and runs where the bot's token is; also `flask telegram`.
https://core.telegram.org/bots/api#getting-updates
"""

from collections.abc import Callable
from functools import wraps
from http import HTTPStatus
from typing import Any

import click

from api.models.key_losses import record_keys_at_start
from configs.languages import FRENCH, MESSAGE_LANGUAGES
from configs.logs import set_up_logs
from configs.settings import SettingMissing, SettingsRefused, settings
from notifier.content.messages import write_words
from notifier.delivery.provider_http import Transport
from notifier.errors import DeliveryError
from notifier.message_kinds.bot import COMMANDS

_KIND = "bot_reply"  # whose words describe the commands
_PRIVATE = {"type": "all_private_chats"}
ALLOWED_UPDATES = ["message", "callback_query"]


class TelegramRefused(Exception):
    """Telegram did not do what it was asked; the text is its own description."""


def call_bot(method: str, **parameters: Any) -> Any:
    """Return the result of a method of the Bot API.

    Raises:
        TelegramRefused: the answer is no success.
        notifier.errors.DeliveryError: no answer, 429 or 5xx.
        configs.settings.SettingMissing: TELEGRAM_BOT_TOKEN is not set.
    """
    base = settings().address_of("telegram")
    with Transport("telegram") as transport:
        answer = transport.post(
            f"{base}/bot{settings().require('telegram_bot_token')}/{method}", json=parameters
        )
    try:
        body = answer.json()
    except ValueError:
        body = None
    if not isinstance(body, dict) or answer.status_code != HTTPStatus.OK or body.get("ok") is not True:
        said = body.get("description") if isinstance(body, dict) else None
        raise TelegramRefused(f"Telegram answered {answer.status_code}: {said or 'nothing that can be read'}")
    return body.get("result")


def register_webhook() -> str:
    """Register TELEGRAM_WEBHOOK_URL with the first of TELEGRAM_WEBHOOK_SECRET; return the address.

    `flask keys` then knows which value Telegram has.

    Raises:
        TelegramRefused: Telegram does not take it.
        notifier.errors.DeliveryError: no answer, 429 or 5xx.
        configs.settings.SettingMissing: one of these is not set.
    """
    url = settings().require("telegram_webhook_url")
    secret = settings().require_all("telegram_webhook_secret")[0]
    call_bot("setWebhook", url=url, secret_token=secret, allowed_updates=ALLOWED_UPDATES)
    record_keys_at_start("telegram", "telegram_webhook_secret")
    return url


def register_commands() -> int:
    """Register the commands in all languages, as Telegram lists them after a typed slash; return in how many.

    Raises:
        TelegramRefused: Telegram does not take them.
        notifier.errors.DeliveryError: no answer, 429 or 5xx.
        configs.settings.SettingMissing: TELEGRAM_BOT_TOKEN is not set.
    """
    calls = _list_commands()
    for parameters in calls:
        call_bot("setMyCommands", **parameters)
    return len([each for each in calls if "language_code" in each])


def _list_commands() -> list[dict[str, object]]:
    """Return the parameters of each call: French for all, then by language.

    https://core.telegram.org/bots/api#setmycommands
    """
    calls: list[dict[str, object]] = [{"scope": _PRIVATE, "commands": _describe(FRENCH)}]
    calls += [
        {"scope": _PRIVATE, "commands": _describe(each), "language_code": each} for each in MESSAGE_LANGUAGES
    ]
    return calls


def _describe(language: str) -> list[dict[str, str]]:
    return [
        {"command": each, "description": write_words(_KIND, language, "command", each)} for each in COMMANDS
    ]


@click.group("telegram")
def telegram_command() -> None:
    """Register the address that Telegram calls."""


def _explain_errors(act: Callable[[], None]) -> Callable[[], None]:
    @wraps(act)
    def run() -> None:
        try:
            set_up_logs("notifier")
            act()
        except (SettingMissing, SettingsRefused, DeliveryError, TelegramRefused) as error:
            raise click.ClickException(str(error)) from None

    return run


@telegram_command.command("set-webhook")
@_explain_errors
def set_webhook() -> None:
    """Register TELEGRAM_WEBHOOK_URL with the first of TELEGRAM_WEBHOOK_SECRET, and the bot's commands."""
    click.echo(f"Telegram calls {register_webhook()}")
    click.echo(f"Telegram lists the commands in {register_commands()} languages")


@telegram_command.command("show-webhook")
@_explain_errors
def show_webhook() -> None:
    """Show where Telegram calls, how much waits, and its last error."""
    found = call_bot("getWebhookInfo")
    click.echo(f"Telegram calls {found['url']}" if found.get("url") else "no webhook is registered")
    click.echo(f"{found.get('pending_update_count', 0)} updates wait")
    if error := found.get("last_error_message"):
        click.echo(f"last error: {error}")


@telegram_command.command("delete-webhook")
@_explain_errors
def delete_webhook() -> None:
    """Take the address back; `python -m notifier.poll` fetches the updates then."""
    call_bot("deleteWebhook")
    click.echo("no webhook is registered")


if __name__ == "__main__":
    telegram_command()
