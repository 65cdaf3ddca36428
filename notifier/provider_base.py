"""Base class of the providers: services that take messages over."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import ClassVar, TypeAlias

from configs.constants import Constant
from configs.settings import settings
from notifier.channel_base import Acceptance, OutgoingMessage
from notifier.errors import DeliveryError

# How long a provider may keep silent before it counts as one that does not answer
PROVIDER_TIMEOUT_SECONDS = Constant("PROVIDER_TIMEOUT_SECONDS", 10.0)
# The same where another provider of mail can take the message over
PROVIDER_SWITCH_SECONDS = Constant("PROVIDER_SWITCH_SECONDS", 4.0)

Answer: TypeAlias = Acceptance | DeliveryError


def answer_seconds(provider: str) -> float:
    """Return how long that provider may keep silent."""
    longest = PROVIDER_TIMEOUT_SECONDS()
    is_followed = provider in settings().mail_providers[:-1]
    return min(longest, PROVIDER_SWITCH_SECONDS()) if is_followed else longest


class Provider(ABC):
    """A service that takes messages over. One file in `notifier/providers/` defines one provider."""

    IS_SEQUENTIAL: ClassVar[bool] = (
        False  # its messages are answered one after the other, as `hand_over` yields them
    )

    MOST: ClassVar[int] = 1  # messages of one content in one call

    # The messages of a call leave apart, each to a server of its address: what one answers says nothing of another.
    SENDS_APART: ClassVar[bool] = False

    @abstractmethod
    def warm_up(self) -> None:
        """Build the client, so that the first message does not wait for it."""

    @abstractmethod
    def hand_over(self, messages: Sequence[OutgoingMessage]) -> Iterable[Answer]:
        """Hand over messages of one content, no address twice; give an answer for each, in their order.

        Messages that were answered together share one object.
        """


class OneCallProvider(Provider):
    """A provider that takes all messages of a call, or none."""

    @abstractmethod
    def send(self, messages: Sequence[OutgoingMessage]) -> Acceptance:
        """Hand over messages of one content, no address twice: all are taken, or none is.

        Raises:
            notifier.errors.DeliveryError: sorted by whether another attempt can help; PermanentError names the
                messages at fault where it is known.
        """

    def hand_over(self, messages: Sequence[OutgoingMessage]) -> Sequence[Answer]:
        """Hand them over in one call; return its answer for each."""
        try:
            answer: Answer = self.send(messages)
        except DeliveryError as error:
            answer = error
        return [answer] * len(messages)
