"""`python -m notifier.poll`: fetches the bot's updates where Telegram cannot call us, such as on a laptop."""

import json
import signal
import threading
from typing import Any

import structlog
from sqlalchemy.exc import InterfaceError, OperationalError

import notifier
from configs.database import database_url
from configs.logs import set_up_logs
from configs.settings import settings
from configs.startup import exit_on_config_error
from notifier.errors import DeliveryError
from notifier.telegram_api import ALLOWED_UPDATES, TelegramRefused, call_bot
from notifier.telegram_updates import SECRET_HEADER

_MARGIN = 2.0  # seconds that an answer takes after Telegram's own waiting
_AGAIN = 5.0  # seconds after a failure
log = structlog.get_logger(__name__)


def fetch_updates(offset: int, wait: float) -> int:
    """Pass the updates from `offset` on to the notifier; wait so many seconds for the first. Return the next offset.

    Raises:
        notifier.telegram_api.TelegramRefused: 409, while a webhook is registered.
        notifier.errors.DeliveryError: no answer.
    """
    secret = settings().require_all("telegram_webhook_secret")[0]
    updates: list[dict[str, Any]] = call_bot(
        "getUpdates", offset=offset, timeout=int(wait), allowed_updates=ALLOWED_UPDATES
    )
    for update in updates:
        notifier.receive("telegram", {SECRET_HEADER: secret}, json.dumps(update).encode())
        offset = update["update_id"] + 1
    return offset


@exit_on_config_error("notifier.poll")
def main() -> int:
    """Poll until a signal ends it."""
    set_up_logs("notifier")
    database_url()
    settings().require("telegram_bot_token")
    settings().require_all("telegram_webhook_secret")
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    wait, offset = max(0.0, settings().provider_timeout_seconds - _MARGIN), 0
    log.info("polling")
    while not stopped.is_set():
        try:
            offset = fetch_updates(offset, wait)
        except (DeliveryError, TelegramRefused, OperationalError, InterfaceError) as error:
            # Telegram keeps what was not handled.
            log.warning("no updates", because=getattr(error, "reason", None) or type(error).__name__)
            stopped.wait(_AGAIN)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
