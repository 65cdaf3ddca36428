"""Commands that tell Telegram where the bot's updates go: set-webhook, show-webhook.

`python -m notifier.telegram_bot`, which needs no Flask and runs where the bot's token is; also `flask telegram`.
https://core.telegram.org/bots/api#getting-updates
"""

from http import HTTPStatus
from typing import Any

import click

from configs.ground.logs import set_up_logs
from configs.ground.text import FRENCH, MESSAGE_LANGUAGES
from configs.settings import SettingMissing, SettingsRefused, settings
from notifier.channels.provider_base import DeliveryError, PermanentError, Transport, read_json
from notifier.content.messages import write_words
from notifier.message_kinds.telegram import COMMANDS

_KIND = "bot_reply"  # whose words describe the commands
_PRIVATE = {"type": "all_private_chats"}
_ALLOWED_UPDATES = ["message", "callback_query"]


def call_bot(method: str, **parameters: Any) -> Any:
    """Return the result of a method of the Bot API.

    Raises:
        notifier.channels.provider_base.DeliveryError: no answer, or no success.
        configs.settings.SettingMissing: TELEGRAM_BOT_TOKEN is not set.
    """
    base = settings().address_of("telegram")
    with Transport("telegram") as transport:
        answer = transport.post(
            f"{base}/bot{settings().require('telegram_bot_token')}/{method}", json=parameters
        )
    body = read_json(answer)
    if answer.status_code != HTTPStatus.OK or body.get("ok") is not True:
        said = body.get("description") or "nothing that can be read"
        raise PermanentError(f"Telegram answered {answer.status_code}: {said}")
    return body.get("result")


def register_webhook() -> str:
    """Register TELEGRAM_WEBHOOK_URL with the first of TELEGRAM_WEBHOOK_SECRET; return the address."""
    url = settings().require("telegram_webhook_url")
    secret = settings().require_all("telegram_webhook_secret")[0]
    call_bot("setWebhook", url=url, secret_token=secret, allowed_updates=_ALLOWED_UPDATES)
    return url


def register_commands() -> int:
    """Register the commands as Telegram lists them after a typed slash: French for all, then by language; count these.

    https://core.telegram.org/bots/api#setmycommands
    """
    call_bot("setMyCommands", scope=_PRIVATE, commands=_describe(FRENCH))
    for each in MESSAGE_LANGUAGES:
        call_bot("setMyCommands", scope=_PRIVATE, commands=_describe(each), language_code=each)
    return len(MESSAGE_LANGUAGES)


def _describe(language: str) -> list[dict[str, str]]:
    return [
        {"command": each, "description": write_words(_KIND, language, "command", each)} for each in COMMANDS
    ]


class _Explaining(click.Group):
    """Says in one line what a setting lacks, or why Telegram did not answer."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        try:
            set_up_logs("notifier")
            return super().invoke(ctx)
        except (SettingMissing, SettingsRefused, DeliveryError) as error:
            raise click.ClickException(str(error)) from None


@click.group("telegram", cls=_Explaining)
def telegram_command() -> None:
    """Register the address that Telegram calls."""


@telegram_command.command("set-webhook")
def set_webhook() -> None:
    """Register TELEGRAM_WEBHOOK_URL with the first of TELEGRAM_WEBHOOK_SECRET, and the bot's commands."""
    click.echo(f"Telegram calls {register_webhook()}")
    click.echo(f"Telegram lists the commands in {register_commands()} languages")


@telegram_command.command("show-webhook")
def show_webhook() -> None:
    """Show where Telegram calls, how much waits, and its last error."""
    found = call_bot("getWebhookInfo")
    click.echo(f"Telegram calls {found['url']}" if found.get("url") else "no webhook is registered")
    click.echo(f"{found.get('pending_update_count', 0)} updates wait")
    if error := found.get("last_error_message"):
        click.echo(f"last error: {error}")


if __name__ == "__main__":
    telegram_command()
