"""Handing over: letters that say the same leave in one call where the provider takes that, else one by one."""

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import structlog
from rq.timeouts import JobTimeoutException

from api.models.user import Channel as ChannelName
from configs.clock import clock
from configs.settings import SettingMissing
from notifier.channels import Acceptance, BatchChannel, Channel, OutgoingMessage, channel
from notifier.delivery.slow_channels import record_latency
from notifier.errors import DeliveryError, Misconfigured, NotAttempted, OutcomeUnknown, PermanentError

Answer = Acceptance | DeliveryError
Answered = tuple[list[OutgoingMessage], Answer]

log = structlog.get_logger(__name__)


def bundles(letters: Iterable[OutgoingMessage], most: int) -> Iterator[list[OutgoingMessage]]:
    """Put letters of the same message together, at most so many, and no address twice: providers refuse that."""
    rest = list(letters)
    while rest:
        bundle, addresses, later = [rest[0]], {rest[0].address.casefold()}, []
        for letter in rest[1:]:
            address = letter.address.casefold()
            if len(bundle) < most and letter.message is bundle[0].message and address not in addresses:
                bundle.append(letter)
                addresses.add(address)
            else:
                later.append(letter)
        yield bundle
        rest = later


@dataclass(slots=True)
class Handing:
    """Hands letters to one channel, call by call; after the first one until an answer could come too late."""

    name: ChannelName
    until: datetime
    channel: Channel = field(init=False)
    asked: bool = field(default=False, init=False)
    ended: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        self.channel = channel(self.name)

    def over(self, letters: Sequence[OutgoingMessage]) -> Iterator[Answered]:
        """Yield what was answered, as it comes, with the letters it is about: every letter once. Raises nothing."""
        most = self.channel.MOST if isinstance(self.channel, BatchChannel) else 1
        for bundle in bundles(letters, most):
            yield from self._offer(bundle)

    def _offer(self, bundle: list[OutgoingMessage]) -> Iterator[Answered]:
        answer = self._ask(bundle)
        if len(bundle) == 1 or not isinstance(answer, PermanentError) or answer.of_all:
            yield bundle, answer
            return
        named = [letter for place, letter in enumerate(bundle) if place in answer.at_fault]
        if named:
            yield named, answer
        for part in _parts([letter for letter in bundle if letter not in named], halve=not named):
            yield from self._offer(part)

    def _ask(self, bundle: list[OutgoingMessage]) -> Answer:
        if self.ended or (self.asked and clock() >= self.until):
            return NotAttempted("put back: the lease was too short for one more call")
        self.asked, began = True, time.monotonic()
        try:
            return self._call(bundle)
        except DeliveryError as error:
            return error
        except JobTimeoutException:
            self.ended = True
            return OutcomeUnknown("no answer before the job had to end")
        except Exception as error:
            # The boundary: an SDK may raise anything, and the rows must learn of it.
            log.exception("channel failed", notifications=[str(key) for each in bundle for key in each.ids])
            return OutcomeUnknown(type(error).__name__)
        finally:
            record_latency(self.name, time.monotonic() - began)

    def _call(self, bundle: list[OutgoingMessage]) -> Acceptance:
        try:
            if len(bundle) > 1 and isinstance(self.channel, BatchChannel):
                return self.channel.send_all(bundle)
            return self.channel.send(bundle[0])
        except SettingMissing as error:
            raise Misconfigured(str(error)) from error


def _parts(letters: list[OutgoingMessage], *, halve: bool) -> list[list[OutgoingMessage]]:
    """Return the rest as one bundle, or in halves where nobody knows who is at fault."""
    middle = len(letters) // 2 if halve else 0
    return [part for part in (letters[:middle], letters[middle:]) if part]
