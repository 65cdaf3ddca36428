"""Waits that Telegram asks for by 429: a chat's own, and the bot's where three chats were told so within ten seconds.

The bot rests for the shortest of those waits, then one call tries. All workers share this in Redis; without it nothing
waits.
https://core.telegram.org/bots/faq#my-bot-is-hitting-limits-how-do-i-avoid-this
"""

import structlog
from redis.exceptions import RedisError

from configs.ground.addresses import digest
from configs.ground.clock import clock
from configs.ground.redis import read_script, redis
from notifier.channels.provider_base import Acceptance, Answer, RateLimited
from notifier.content.message_kind_base import OutgoingMessage

_USUAL_SECONDS = 5.0  # where Telegram names none
_KEYS = ("notifier:telegram:waits", "notifier:telegram:floods")
log = structlog.get_logger(__name__)


def ask(message: OutgoingMessage) -> float:
    """Return for how many seconds its chat or the bot waits; 0 where it may be sent, -1 where it tries for the bot."""
    return _run("ask", message)


def note(message: OutgoingMessage, answer: Answer, *, is_try: bool) -> None:
    """Note an answer; one to what a reader's command or button asked for never rests the bot."""
    if isinstance(answer, RateLimited):
        _run("reply" if message.is_reply else "flood", message, answer.retry_after or _USUAL_SECONDS)
    elif is_try and isinstance(answer, Acceptance):
        _run("yes", message)


def _run(happened: str, message: OutgoingMessage, seconds: float = 0.0) -> float:
    given: list[str | float] = [happened, digest(message.address), f"{clock().timestamp():.3f}", seconds]
    try:
        return float(read_script("notifier.channels", "flood_waits")(keys=_KEYS, args=given, client=redis()))
    except RedisError as error:
        log.warning("no waits of Telegram: Redis is away", because=type(error).__name__)
        return 0.0
