"""Batches: messages of the same content leave in one call where the provider takes that, else one by one."""

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import structlog
from rq.timeouts import JobTimeoutException

from api.models.user import Channel as ChannelName
from configs.clock import clock
from configs.settings import SettingMissing
from notifier.channel_base import Acceptance, BatchChannel, Channel, OutgoingMessage
from notifier.channels import channel
from notifier.delivery.slow_channels import record_latency
from notifier.errors import DeliveryError, Misconfigured, NotAttempted, OutcomeUnknown, PermanentError

Answer = Acceptance | DeliveryError
Answered = tuple[list[OutgoingMessage], Answer]

log = structlog.get_logger(__name__)


def batches(messages: Iterable[OutgoingMessage], most: int) -> Iterator[list[OutgoingMessage]]:
    """Put messages of the same content together, at most so many, and no address twice: providers refuse that."""
    rest = list(messages)
    while rest:
        batch, addresses, later = [rest[0]], {rest[0].address.casefold()}, []
        for message in rest[1:]:
            address = message.address.casefold()
            if len(batch) < most and message.content is batch[0].content and address not in addresses:
                batch.append(message)
                addresses.add(address)
            else:
                later.append(message)
        yield batch
        rest = later


@dataclass(slots=True)
class BatchSender:
    """Hands messages to one channel, call by call, until an answer could come after the lease."""

    name: ChannelName
    until: datetime
    channel: Channel = field(init=False)
    has_called: bool = field(default=False, init=False)
    is_over: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        self.channel = channel(self.name)

    def send(self, messages: Sequence[OutgoingMessage]) -> Iterator[Answered]:
        """Yield each answer as it comes, with its messages: every message once. Raises nothing."""
        most = self.channel.MOST if isinstance(self.channel, BatchChannel) else 1
        for batch in batches(messages, most):
            yield from self._offer(batch)

    def _offer(self, batch: list[OutgoingMessage]) -> Iterator[Answered]:
        answer = self._ask(batch)
        if len(batch) == 1 or not isinstance(answer, PermanentError) or answer.of_all:
            yield batch, answer
            return
        named = [message for place, message in enumerate(batch) if place in answer.at_fault]
        if named:
            yield named, answer
        for part in _split([message for message in batch if message not in named], halve=not named):
            yield from self._offer(part)

    def _ask(self, batch: list[OutgoingMessage]) -> Answer:
        if self.is_over or (self.has_called and clock() >= self.until):
            return NotAttempted("put back: the lease was too short for one more call")
        self.has_called, began = True, time.monotonic()
        try:
            return self._call(batch)
        except DeliveryError as error:
            return error
        except JobTimeoutException:
            self.is_over = True
            return OutcomeUnknown("no answer before the job had to end")
        except Exception as error:
            # The boundary: an SDK may raise anything, and the rows must learn of it.
            log.exception("channel failed", notifications=[str(key) for each in batch for key in each.ids])
            return OutcomeUnknown(type(error).__name__)
        finally:
            record_latency(self.name, time.monotonic() - began)

    def _call(self, batch: list[OutgoingMessage]) -> Acceptance:
        try:
            if len(batch) > 1 and isinstance(self.channel, BatchChannel):
                return self.channel.send_all(batch)
            return self.channel.send(batch[0])
        except SettingMissing as error:
            raise Misconfigured(str(error)) from error


def _split(messages: list[OutgoingMessage], *, halve: bool) -> list[list[OutgoingMessage]]:
    """Return the rest as one batch, or in halves where the answer names no message at fault."""
    middle = len(messages) // 2 if halve else 0
    return [part for part in (messages[:middle], messages[middle:]) if part]
