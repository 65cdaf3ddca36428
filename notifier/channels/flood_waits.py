"""Waits that Telegram asks for by 429: a chat's own, and the bot's where three chats were told so within ten seconds.

The bot rests for the shortest of those waits, then one call tries. All workers share this in Redis; without it nothing
waits.
https://core.telegram.org/bots/faq#my-bot-is-hitting-limits-how-do-i-avoid-this
"""

from functools import lru_cache

import structlog
from redis.commands.core import Script
from redis.exceptions import RedisError

from configs.ground.addresses import digest
from configs.ground.clock import clock
from configs.ground.redis import redis
from notifier.channels.provider_base import Acceptance, Answer, RateLimited
from notifier.content.message_kind_base import OutgoingMessage

_USUAL_SECONDS = 5.0  # where Telegram names none

# KEYS[1] sorted set of waits: by chat until when, `*` the bot; KEYS[2] sorted set of the chats told to wait, by when
# ARGV    what happened (`ask`, `yes`, `flood`, or `reply`: a flood that says nothing of the bot); the chat; now and the
#         wait, in seconds
# Result  seconds to wait; 0 where the call may be made; -1 where it is the one that tries for the bot
# An instant farther ahead than any wait comes from a clock that was set ahead: it is over.
_SCRIPT = """
local WITHIN, CHATS, BOT_MOST, CHAT_MOST, TRY = 10, 3, 60, 3600, 15
local happened, chat, now, seconds = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local function left(name)
  local remaining = (tonumber(redis.call('ZSCORE', KEYS[1], name) or '0')) - now
  return (remaining > 0 and remaining <= CHAT_MOST) and remaining or 0
end
local function wait(name, most)
  redis.call('ZADD', KEYS[1], now + math.min(seconds, most), name)
  redis.call('EXPIRE', KEYS[1], CHAT_MOST)
end
local is_resting = redis.call('ZSCORE', KEYS[1], '*')
if happened == 'ask' then
  local longest = math.max(left(chat), left('*'))
  if longest > 0 then return tostring(longest) end
  if not is_resting then return '0' end
  seconds = TRY
  wait('*', TRY)
  return '-1'
end
if happened == 'yes' then
  redis.call('ZREM', KEYS[1], '*')
  return '0'
end
wait(chat, CHAT_MOST)
if happened == 'reply' then return '0' end
redis.call('ZADD', KEYS[2], now, chat)
redis.call('EXPIRE', KEYS[2], WITHIN)
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now - WITHIN)
local told = redis.call('ZRANGE', KEYS[2], 0, -1)
if is_resting or #told >= CHATS then
  for _, each in ipairs(told) do seconds = math.min(seconds, math.max(left(each), 1)) end
  wait('*', BOT_MOST)
end
return '0'
"""
_KEYS = ("notifier:telegram:waits", "notifier:telegram:floods")
log = structlog.get_logger(__name__)


@lru_cache(maxsize=1)
def _script() -> Script:
    return redis().register_script(_SCRIPT)


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
        return float(_script()(keys=_KEYS, args=given, client=redis()))
    except RedisError as error:
        log.warning("no waits of Telegram: Redis is away", because=type(error).__name__)
        return 0.0
