"""Channels: the providers that take the messages of each over, how many one job, one call and one second take.

A counter per channel and fifth of a second in Redis, shared by all processes, holds the rates. Queues decide who goes
first: whoever finds no place sleeps until the next fifth, so a single message waits for no more than that and one
message of a crowd. A call never sleeps: its worker has messages of another channel, too.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from time import sleep

import structlog
from redis.exceptions import RedisError

from api.models.user import Channel
from configs.ground.job_queues import redis
from configs.settings import settings
from configs.settings.constants import Constant
from notifier.channels.provider_base import Provider

# Those of mail are MAIL_PROVIDERS.
_PROVIDERS: Mapping[str, Sequence[str]] = {
    Channel.SMS: ("twilio",),
    Channel.TELEGRAM: ("telegram",),
    Channel.VOICE: ("twilio_calls",),
    Channel.PUSH: ("web_push",),
}
# Messages that a job names, and that are claimed for one call. Programs that nudge have no SDK, and cannot ask a
# provider how many it takes.
_MOST_IN_JOB: Mapping[str, int] = {
    Channel.EMAIL: 500,  # as in a call of SendGrid
    Channel.PUSH: 10,  # as in a call
}

# How many calls a second Twilio begins; it queues the others, which would then ring late
_CALLS_PER_SECOND = Constant("CALLS_PER_SECOND", 1)
# How many messages a second Telegram takes of one bot, all chats together:
# https://core.telegram.org/bots/faq#my-bot-is-hitting-limits-how-do-i-avoid-this
_TELEGRAM_PER_SECOND = Constant("TELEGRAM_PER_SECOND", 30)
# How many SMS a second Twilio takes of the number or service that they come from
_SMS_PER_SECOND = Constant("SMS_PER_SECOND", 10)

_WINDOWS = 5  # of a second, each of which begins with its first message

log = structlog.get_logger(__name__)


@lru_cache(maxsize=1)
def providers() -> dict[str, Provider]:
    """Return all providers by name, imported at the first call: their SDKs take tens of megabytes."""
    from notifier.channels.providers import sendgrid, smtp, telegram, twilio, web_push  # noqa: PLC0415 -- at the first call

    return {
        "sendgrid": sendgrid.SendGrid(), "smtp": smtp.Smtp(), "telegram": telegram.Telegram(),
        "twilio": twilio.Twilio(), "twilio_calls": twilio.TwilioCalls(), "web_push": web_push.WebPush(),
    }  # fmt: skip


def provider_names(channel: str) -> Sequence[str]:
    """Return the names of a channel's providers, those to try first in front."""
    return settings().mail_providers if channel == Channel.EMAIL else _PROVIDERS[channel]


def providers_of(channel: str) -> list[tuple[str, Provider]]:
    """Return a channel's providers with their names, those to try first in front."""
    return [(each, providers()[each]) for each in provider_names(channel)]


def sends_apart(channel: str) -> bool:
    """Return whether the messages of a call leave apart, so that they need not share their content."""
    return any(provider.SENDS_APART for _, provider in providers_of(channel))


def most_in_job(channel: str) -> int:
    """Return how many messages of a channel are put into one job, and claimed for one call of it."""
    return _MOST_IN_JOB.get(channel, 1)


def most_at_once(channel: str) -> int:
    """Return how many messages a channel hands over in one call of the provider that it tries first."""
    return max((provider.MOST for _, provider in providers_of(channel)[:1]), default=1)


def per_second(channel: Channel) -> int | None:
    """Return how many messages a second a channel's provider takes; None where no limit is known."""
    limits = {
        Channel.TELEGRAM: _TELEGRAM_PER_SECOND,
        Channel.SMS: _SMS_PER_SECOND,
        Channel.VOICE: _CALLS_PER_SECOND,
    }
    return limits[channel]() if channel in limits else None


def take_place(channel: Channel, may_wait: Callable[[], bool]) -> bool:
    """Take a place in this window or, while `may_wait` says so, in a later one; return whether there was one."""
    if (most := per_second(channel)) is None:
        return True
    while (seconds := _count(channel, most)) > 0:
        if channel is Channel.VOICE or not may_wait():
            return False
        sleep(seconds)
    return True


def _count(channel: Channel, most: int) -> float:
    """Count a message of so many a second; return for how long its window has no place for it, 0 where it has."""
    places = max(1, most // _WINDOWS)
    asking, key = redis().pipeline(), f"notifier:rate:{channel.value}"
    asking.incr(key)
    asking.pexpire(key, 1000 * places // most, nx=True)
    asking.pttl(key)
    try:
        count, _, milliseconds = asking.execute()
    except RedisError as error:
        # The provider itself refuses what is too much.
        log.warning("no rate: Redis is away", because=type(error).__name__)
        return 0.0
    return max(milliseconds, 1) / 1000 if count > places else 0.0
