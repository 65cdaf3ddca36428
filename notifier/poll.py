"""`python -m notifier.poll`: fetches the bot's updates where Telegram cannot call us, such as on a laptop.

It hands them to the API's webhook, as Telegram would, and carries out the calls that come back.
"""

import signal
import threading
from http import HTTPStatus
from typing import Any

import structlog

from configs.logs import set_up_logs
from configs.settings import settings
from configs.startup import exit_on_config_error
from notifier.delivery.provider_http import Transport
from notifier.errors import DeliveryError
from notifier.provider_base import PROVIDER_TIMEOUT_SECONDS
from notifier.receiving import TELEGRAM_SECRET_HEADER
from notifier.webhook_command import ALLOWED_UPDATES, TelegramRefused, call_bot

_MARGIN = 2.0  # seconds that an answer takes after Telegram's own waiting
_AGAIN = 5.0  # seconds after a failure
_WEBHOOK = "/api/telegram/webhook"
log = structlog.get_logger(__name__)


class UpdateRefused(Exception):
    """The API did not take an update; the text has its answer."""


def fetch_updates(offset: int, wait: float) -> int:
    """Pass the updates from `offset` on to the API; wait so many seconds for the first. Return the next offset.

    Raises:
        notifier.webhook_command.TelegramRefused: 409, while a webhook is registered.
        notifier.errors.DeliveryError: no answer, of Telegram or of the API.
        UpdateRefused: the API did not take an update.
    """
    secret = settings().require_all("telegram_webhook_secret")[0]
    updates: list[dict[str, Any]] = call_bot(
        "getUpdates", offset=offset, timeout=int(wait), allowed_updates=ALLOWED_UPDATES
    )
    for update in updates:
        _carry_out(_hand_over(update, secret))
        offset = update["update_id"] + 1
    return offset


def _hand_over(update: dict[str, Any], secret: str) -> dict[str, Any]:
    """Return the API's answer to an update."""
    url = f"{str(settings().api_url).rstrip('/')}{_WEBHOOK}"
    with Transport("the API") as transport:
        answer = transport.post(url, json=update, headers={TELEGRAM_SECRET_HEADER: secret})
    if answer.status_code != HTTPStatus.OK:
        raise UpdateRefused(
            f"the API answered {answer.status_code}: check API_URL and TELEGRAM_WEBHOOK_SECRET"
        )
    said: dict[str, Any] = answer.json()
    return said


def _carry_out(said: dict[str, Any]) -> None:
    """Make the call that an answer carries. What Telegram refuses of it is lost, as it is in answers to a webhook."""
    if method := said.get("method"):
        parameters = {name: value for name, value in said.items() if name not in ("method", "received")}
        try:
            call_bot(method, **parameters)
        except TelegramRefused as error:
            log.warning("a reply was refused", method=method, because=str(error))


@exit_on_config_error("notifier.poll")
def main() -> int:
    """Poll until a signal ends it."""
    set_up_logs("notifier")
    settings().require("telegram_bot_token")
    settings().require_all("telegram_webhook_secret")
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    wait, offset = max(0.0, PROVIDER_TIMEOUT_SECONDS() - _MARGIN), 0
    log.info("polling")
    while not stopped.is_set():
        try:
            offset = fetch_updates(offset, wait)
        except (DeliveryError, TelegramRefused, UpdateRefused) as error:
            # Telegram keeps what was not handled.
            log.warning("no updates", because=getattr(error, "reason", None) or str(error))
            stopped.wait(_AGAIN)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
