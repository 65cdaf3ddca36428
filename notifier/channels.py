"""Channels: the providers that take the messages of each over, and how many of them one job and one call take."""

from collections.abc import Mapping, Sequence

from api.models.user import Channel
from configs.settings import settings
from notifier.provider_base import Provider
from notifier.providers import providers

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
