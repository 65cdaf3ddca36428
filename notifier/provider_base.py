"""Base class of the providers: services that take messages over."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import ClassVar, TypeAlias

from notifier.channel_base import Acceptance, OutgoingMessage
from notifier.errors import DeliveryError

Answer: TypeAlias = Acceptance | DeliveryError


class Provider(ABC):
    """A service that takes messages over. One file in `notifier/providers/` defines one provider."""

    IS_SEQUENTIAL: ClassVar[bool] = (
        False  # its messages are answered one after the other, as `hand_over` yields them
    )

    MOST: ClassVar[int] = 1  # messages of one content in one call

    HAS_OWN_BREAKERS: ClassVar[bool] = False  # it decides itself whom it leaves alone

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
