"""Updates of the Telegram bot: whether Telegram sent one. The API handles them (api/bot/).

https://core.telegram.org/bots/api#setwebhook
"""

import hmac
from collections.abc import Mapping

from configs.settings import SettingMissing, settings

SECRET_HEADER = "X-Telegram-Bot-Api-Secret-Token"  # noqa: S105 -- the header's name


def is_genuine(headers: Mapping[str, str]) -> bool:
    """Return whether a call carries one of TELEGRAM_WEBHOOK_SECRET; without that setting none is genuine."""
    try:
        known = settings().require_all("telegram_webhook_secret")
    except SettingMissing:
        return False
    given = next((value for name, value in headers.items() if name.lower() == SECRET_HEADER.lower()), "")
    return any(hmac.compare_digest(given.encode(), each.encode()) for each in known)
