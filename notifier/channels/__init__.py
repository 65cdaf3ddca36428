"""Registry of the channels: each file in this folder is one, found by its name."""

from functools import lru_cache

from configs.class_registry import load_folder
from notifier.channel_base import Channel
from notifier.provider_base import Provider
from notifier.providers import providers


class UnknownChannel(LookupError):
    """No file of that name; the text names those that exist."""


@lru_cache(maxsize=1)
def channels() -> dict[str, Channel]:
    """Return all channels by name, imported at the first call."""
    return load_folder(__name__, __path__, Channel)  # type: ignore[type-abstract] # only its subclasses are built


def channel(name: str) -> Channel:
    """Return one channel.

    Raises:
        UnknownChannel: names those that exist.
    """
    if name not in channels():
        raise UnknownChannel(f"no channel {name!r}; those that exist: {', '.join(channels())}")
    return channels()[name]


def providers_of(name: str) -> list[tuple[str, Provider]]:
    """Return a channel's providers with their names, those to try first in front."""
    return [(each, providers()[each]) for each in channel(name).provider_names()]


def sends_apart(name: str) -> bool:
    """Return whether the messages of a call leave apart, so that they need not share their content."""
    return any(provider.SENDS_APART for _, provider in providers_of(name))


def most_in_job(name: str) -> int:
    """Return how many messages of a channel are put into one job, and claimed for one call of it."""
    return channel(name).MOST_IN_JOB


def most_at_once(name: str) -> int:
    """Return how many messages a channel hands over in one call of the provider that it tries first."""
    return max((provider.MOST for _, provider in providers_of(name)[:1]), default=1)
