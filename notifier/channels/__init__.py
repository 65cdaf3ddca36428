"""The ways to reach a person: each file in this folder is a channel, found by being there."""

import importlib
import pkgutil
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from typing import Protocol, cast
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Button:
    """The one thing to press."""

    label: str
    url: str


@dataclass(frozen=True, slots=True)
class Message:
    """What is to be said, as far as the channel's texts exist: each channel takes the parts that it can show.

    `brief` says the same in fewer words. `seen_at` is when the page was read, for the sandbox's inbox.
    """

    text: str = ""
    html: str = ""
    subject: str = ""
    brief: str = ""
    button: Button | None = None
    seen_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Receipt:
    """A provider's yes: its name, its id of the message, what it cost in EUR where it says so."""

    provider: str
    provider_id: str
    cost: Decimal | None = None


class Channel(Protocol):
    """What a channel's file offers."""

    def warm_up(self) -> None:
        """Build the provider's client, so that the first message does not wait for it."""
        ...

    def send(self, message: Message, address: str, notification_id: UUID) -> Receipt:
        """Hand one message to the provider.

        Raises:
            notifier.errors.DeliveryError: sorted by whether trying again can help.
        """
        ...


class UnknownChannel(LookupError):
    """No file of that name; the text names those that exist."""


@lru_cache(maxsize=1)
def channels() -> dict[str, Channel]:
    """Return all channels by name, imported at the first call."""
    names = sorted(module.name for module in pkgutil.iter_modules(__path__))
    return {name: cast("Channel", importlib.import_module(f"{__name__}.{name}")) for name in names}


def channel(name: str) -> Channel:
    """Return one channel.

    Raises:
        UnknownChannel: names those that exist.
    """
    if name not in channels():
        raise UnknownChannel(f"no channel {name!r}; those that exist: {', '.join(channels())}")
    return channels()[name]
