"""Calls of the Telegram Bot API about updates: polling, and the registration of the webhook and the commands.

https://core.telegram.org/bots/api#getting-updates
"""

from http import HTTPStatus
from typing import Any

from api.models.key_losses import record_keys_at_start
from configs.settings import settings
from notifier.delivery.provider_http import Transport
from notifier.telegram_commands import list_commands

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
    """Register the commands in all languages; return in how many.

    Raises:
        TelegramRefused: Telegram does not take them.
        notifier.errors.DeliveryError: no answer, 429 or 5xx.
        configs.settings.SettingMissing: TELEGRAM_BOT_TOKEN is not set.
    """
    calls = list_commands()
    for parameters in calls:
        call_bot("setMyCommands", **parameters)
    return len([each for each in calls if "language_code" in each])
