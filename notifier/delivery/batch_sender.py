"""Batches: messages of the same content leave in one call where the provider takes that, else one by one."""

from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from api.models.database_clock import database_clock
from api.models.user import Channel
from notifier.channels import most_at_once, sends_apart
from notifier.delivery.provider_choice import ProviderChoice
from notifier.delivery.rate import take_place
from notifier.provider_base import Acceptance, Answer, NotAttempted, OutgoingMessage, PermanentError

Answered = tuple[list[OutgoingMessage], Answer]


def batches(
    messages: Iterable[OutgoingMessage], most: int, *, apart: bool = False
) -> Iterator[list[OutgoingMessage]]:
    """Put messages of the same content together, at most so many, and no address twice: providers refuse that.

    Whether a provider's lists hold them up is said of a call, not of each message. Those that leave `apart` need not be
    alike.
    """
    rest = list(messages)
    while rest:
        batch, addresses, later = [rest[0]], {rest[0].address.casefold()}, []
        for message in rest[1:]:
            address = message.address.casefold()
            is_alike = apart or _are_alike(message, batch[0])
            if len(batch) < most and is_alike and address not in addresses:
                batch.append(message)
                addresses.add(address)
            else:
                later.append(message)
        yield batch
        rest = later


def _are_alike(one: OutgoingMessage, other: OutgoingMessage) -> bool:
    return one.content is other.content and one.passes_lists is other.passes_lists


@dataclass(slots=True)
class BatchSender:
    """Hands messages to one channel, call by call, until an answer could come after the lease."""

    name: Channel
    until: datetime
    choice: ProviderChoice = field(init=False)
    has_called: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        self.choice = ProviderChoice(self.name, self._has_time)

    def send(self, messages: Sequence[OutgoingMessage]) -> Iterator[Answered]:
        """Yield each answer as it comes, with its messages: every message once. Raises nothing."""
        for batch in batches(messages, most_at_once(self.name), apart=sends_apart(self.name)):
            yield from self._offer(batch)

    def _offer(self, batch: list[OutgoingMessage]) -> Iterator[Answered]:
        for together, answer in _group(batch, self._ask(batch)):
            if len(together) == 1 or not isinstance(answer, PermanentError) or answer.of_all:
                yield together, answer
                continue
            named = [message for place, message in enumerate(together) if place in answer.at_fault]
            if named:
                yield named, answer
            for part in _split([message for message in together if message not in named], halve=not named):
                yield from self._offer(part)

    def _ask(self, batch: list[OutgoingMessage]) -> Sequence[Answer]:
        if self.choice.is_over or (self.has_called and not self._has_time()):
            return [NotAttempted("put back: the lease was too short for one more call")] * len(batch)
        if not take_place(self.name, self._has_time):
            return [NotAttempted("put back: the provider takes no more for now")] * len(batch)
        self.has_called = True
        return self.choice.hand_over(batch)

    def _has_time(self) -> bool:
        return database_clock() < self.until


def _group(messages: Sequence[OutgoingMessage], answers: Sequence[Answer]) -> list[Answered]:
    """Put the messages together that were answered alike, in the order of their answers.

    Each group is recorded in a transaction of its own, and all of them before the lease ends.
    """
    groups: dict[Hashable, Answered] = {}
    for message, answer in zip(messages, answers, strict=True):
        key = answer if isinstance(answer, Acceptance) else id(answer)
        groups.setdefault(key, ([], answer))[0].append(message)
    return list(groups.values())


def _split(messages: list[OutgoingMessage], *, halve: bool) -> list[list[OutgoingMessage]]:
    """Return the rest as one batch, or in halves where the answer names no message at fault."""
    middle = len(messages) // 2 if halve else 0
    return [part for part in (messages[:middle], messages[middle:]) if part]
