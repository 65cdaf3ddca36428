"""Telegram by its Bot API, and who calls our webhook in its name.

By 429 it asks for waits (docs/reference/delivery.md#messages-a-second). Without Redis, which has them, nothing waits.

https://core.telegram.org/bots/api#sendmessage
https://core.telegram.org/bots/api#editmessagetext
https://core.telegram.org/bots/faq#my-bot-is-hitting-limits-how-do-i-avoid-this
"""

import hmac
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from html import unescape
from http import HTTPStatus
from typing import Any

import structlog
from redis.exceptions import RedisError
from requests import Response

from api.models.user import Channel, ContactState
from configs.ground.addresses import digest
from configs.ground.clock import clock
from configs.ground.redis import read_script, redis
from configs.settings import SettingMissing, settings
from notifier.channels.provider_base import (
    Acceptance,
    Answer,
    DeliveryError,
    Misconfigured,
    NothingToEdit,
    OutcomeUnknown,
    PermanentError,
    Provider,
    RateLimited,
    Transport,
    read_json,
    read_retry_after,
    read_wait,
)
from notifier.content.message_kind_base import OutgoingMessage, RenderedMessage
from notifier.content.messages import shorten

PROVIDER = "telegram"
SECRET_HEADER = "X-Telegram-Bot-Api-Secret-Token"  # noqa: S105 -- the header's name

# Telegram has no codes, only prose: https://core.telegram.org/bots/api#making-requests ("subject to change").
# Part of a description in lower case → the state that it gives the contact, where it is our bot that is refused.
_GONE = {
    "bot was blocked": ContactState.BLOCKED,
    "user is deactivated": ContactState.BLOCKED,
    "bot was kicked": ContactState.BLOCKED,
    "bot can't initiate conversation": ContactState.BOUNCED,
    "chat not found": ContactState.BOUNCED,
    "peer_id_invalid": ContactState.BOUNCED,
}
_UNCHANGED = "message is not modified"  # it was edited so before
_NOT_EDITABLE = ("message to edit not found", "message can't be edited", "message_id_invalid")
# 401 and 404 are the answers to a token that is wrong: our fault, not the message's.
_OURS = {HTTPStatus.UNAUTHORIZED, HTTPStatus.NOT_FOUND}

_MOST_UNITS, _MOST_BYTES = 4096, 9000  # of a text: UTF-16 code units that are shown, and bytes
_BYTES_OF_UNIT = 3  # of UTF-8, at most
_USUAL_SECONDS = 5.0  # of a wait, where Telegram names none
_KEYS = ("notifier:telegram:waits", "notifier:telegram:floods")
_MARKUP, _HIDDEN = re.compile("<[^>]*>"), re.compile("<tg-spoiler>.*?</tg-spoiler>", re.DOTALL)
log = structlog.get_logger(__name__)


def _wait(answer: Response) -> float | None:
    """Return the seconds of `parameters.retry_after`, which Telegram puts into the body."""
    parameters = read_json(answer).get("parameters")
    seconds = parameters.get("retry_after") if isinstance(parameters, dict) else None
    return read_retry_after(answer) if seconds is None else read_wait(seconds)


@lru_cache(maxsize=1)
def _transport() -> Transport:
    return Transport(PROVIDER, Channel.TELEGRAM, wait=_wait, is_own=lambda answer: "ok" in read_json(answer))


class Telegram(Provider):
    """One message of the bot to the chat that is the message's address."""

    def hand_over(self, messages: Sequence[OutgoingMessage]) -> Sequence[Answer]:
        """Hand one message to the Bot API, or edit one that is there."""
        (message,) = messages
        bot = f"{settings().address_of('telegram')}/bot{settings().require('telegram_bot_token')}"
        method = "editMessageText" if message.replaces else "sendMessage"
        body = _body(message.filled, message.address, message.replaces)
        answer = _transport().post(f"{bot}/{method}", json=body, headers=message.inbox_headers)
        body = read_json(answer)
        if answer.status_code == HTTPStatus.OK and body.get("ok") is True:
            result = body.get("result")
            found = result.get("message_id") if isinstance(result, dict) else None
            # A yes without an id is a yes, and the message is not sent again.
            message_id = str(found) if isinstance(found, int | str) else ""
            return [Acceptance(PROVIDER, message_id, delivered=True)]
        description = str(body.get("description", "")).lower()
        if message.replaces and _UNCHANGED in description:
            return [Acceptance(PROVIDER, message.replaces, delivered=True)]
        raise _delivery_error(answer.status_code, description)

    def find_wait(self, message: OutgoingMessage) -> float:
        """Return for how many seconds its chat or the bot waits; -1 where the message tries for the bot."""
        return _note("ask", message)

    def learn_wait(self, message: OutgoingMessage, answer: Answer, *, is_try: bool) -> bool:
        """Note an answer; one to what a reader's command or button asked for never rests the bot."""
        if isinstance(answer, RateLimited):
            _note("reply" if message.is_reply else "flood", message, answer.retry_after or _USUAL_SECONDS)
        elif is_try and isinstance(answer, Acceptance):
            _note("yes", message)
        return True


def _note(happened: str, message: OutgoingMessage, seconds: float = 0.0) -> float:
    given: list[str | float] = [happened, digest(message.address), f"{clock().timestamp():.3f}", seconds]
    try:
        return float(read_script("notifier.channels", "flood_waits")(keys=_KEYS, args=given, client=redis()))
    except RedisError as error:
        log.warning("no waits of Telegram: Redis is away", because=type(error).__name__)
        return 0.0


def _body(message: RenderedMessage, address: str, replaces: str) -> dict[str, Any]:
    body: dict[str, Any] = {
        "chat_id": address,
        **_write_text(message.html),
        "link_preview_options": {"is_disabled": True},
    }
    if replaces:
        body["message_id"] = int(replaces)
    keyboard = [[{"text": message.button.label, "url": message.button.url}]] if message.button else []
    keyboard += [
        [{"text": each.label, "callback_data": each.data} for each in row] for row in message.choices
    ]
    if keyboard:
        body["reply_markup"] = {"inline_keyboard": keyboard}
    return body


def _write_text(html: str) -> dict[str, str]:
    """Return a text that Telegram takes: of one that is too long the beginning, without markup and what it hides.

    https://core.telegram.org/bots/api#sendmessage says 4,096 characters. It also refuses texts of more bytes than
    _MOST_BYTES, markup included. The texts of all kinds are shorter, whatever the names in them.
    """
    shown = unescape(_MARKUP.sub("", _HIDDEN.sub("…", html)))
    if (
        len(html.encode()) <= _MOST_BYTES
        and len(_MARKUP.sub("", html).encode("utf-16-le")) <= 2 * _MOST_UNITS
    ):
        return {"text": html, "parse_mode": "HTML"}
    return {"text": shorten(shown, _MOST_BYTES // _BYTES_OF_UNIT)}


def _delivery_error(status: int, description: str) -> DeliveryError:
    for part in _NOT_EDITABLE:
        if part in description:
            return NothingToEdit(f"{PROVIDER}: {part}")
    for part, state in _GONE.items():
        if part in description:
            return PermanentError(f"{PROVIDER}: {part}", state)
    if status in _OURS:
        return Misconfigured(f"{PROVIDER} answered {status}: check TELEGRAM_BOT_TOKEN")
    if status < HTTPStatus.MULTIPLE_CHOICES:
        return OutcomeUnknown(f"{PROVIDER} gave an answer that is none")
    return PermanentError(f"{PROVIDER} answered {status}")


def is_genuine(headers: Mapping[str, str], _body: bytes, _query: str) -> bool:
    """Return whether a call carries one of TELEGRAM_WEBHOOK_SECRET; without that setting none is genuine.

    https://core.telegram.org/bots/api#setwebhook
    """
    try:
        known = settings().require_all("telegram_webhook_secret")
    except SettingMissing:
        return False
    given = headers.get(SECRET_HEADER.lower(), "")
    return any(hmac.compare_digest(given.encode(), each.encode()) for each in known)
