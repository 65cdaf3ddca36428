"""The commands set-webhook, show-webhook and delete-webhook: where Telegram sends the bot's updates.

`python -m notifier.webhook_command`, which needs no Flask and runs where the bot's token is; also `flask telegram`.
"""

from collections.abc import Callable
from functools import wraps

import click

from configs.logs import set_up_logs
from configs.settings import SettingMissing, SettingsRefused
from notifier.errors import DeliveryError
from notifier.telegram_api import TelegramRefused, call_bot, register_commands, register_webhook


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
