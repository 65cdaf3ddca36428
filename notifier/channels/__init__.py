"""The ways to reach a person: each file in this folder is a channel, found by being there."""

import importlib
import pkgutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from typing import Protocol, cast, runtime_checkable
from uuid import UUID


@dataclass(frozen=True, slots=True)
class LinkButton:
    """The one thing to press."""

    label: str
    url: str


@dataclass(frozen=True, slots=True)
class RenderedMessage:
    """What is to be said, as far as the channel's texts exist: each channel takes the parts that it can show.

    `brief` says the same in fewer words.
    """

    text: str = ""
    html: str = ""
    subject: str = ""
    brief: str = ""
    button: LinkButton | None = None


@dataclass(frozen=True, slots=True)
class OutgoingMessage:
    """One message to one address; several letters may share the message.

    `personal` is what the tags in its texts stand for, for this person. `ids` are the notifications that it
    carries: they travel along, so that a receipt settles them. `seen_at` is when the page was read, for the
    sandbox's inbox.
    """

    message: RenderedMessage
    address: str
    ids: Sequence[UUID]
    substitutions: Mapping[str, str] = field(default_factory=dict)
    seen_at: datetime | None = None

    @property
    def filled(self) -> RenderedMessage:
        """Return the message as this person reads it."""
        if not self.substitutions:
            return self.message
        said = self.message
        return replace(
            said, text=self._fill(said.text), html=self._fill(said.html), brief=self._fill(said.brief)
        )

    def _fill(self, text: str) -> str:
        for tag, value in self.substitutions.items():
            text = text.replace(tag, value)
        return text

    @property
    def metadata(self) -> dict[str, str]:
        """Return our own ids as they travel: the first notification's, and all where there are several."""
        first = {"notification_id": str(self.ids[0])}
        return first if len(self.ids) == 1 else first | {"notification_ids": ",".join(map(str, self.ids))}


@dataclass(frozen=True, slots=True)
class Acceptance:
    """A provider's yes: its name, its id of the message, what it cost in EUR where it says so."""

    provider: str
    provider_id: str
    cost: Decimal | None = None


class Channel(Protocol):
    """What a channel's file offers."""

    def warm_up(self) -> None:
        """Build the provider's client, so that the first message does not wait for it."""
        ...

    def send(self, letter: OutgoingMessage) -> Acceptance:
        """Hand one message to the provider.

        Raises:
            notifier.errors.DeliveryError: sorted by whether trying again can help.
        """
        ...


@runtime_checkable
class BatchChannel(Channel, Protocol):
    """What a channel's file offers besides, where its provider takes many letters of one message in one call."""

    MOST: int

    def send_all(self, letters: Sequence[OutgoingMessage]) -> Acceptance:
        """Hand over at most MOST letters that share their message, no address twice: all are taken, or none is.

        Raises:
            notifier.errors.DeliveryError: as for one; PermanentError names the letters at fault where it is known.
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


@lru_cache(maxsize=8)
def most_at_once(name: str) -> int:
    """Return how many letters a channel hands over in one call."""
    found = channel(name)
    return found.MOST if isinstance(found, BatchChannel) else 1
