"""Providers: what they are handed, give back and raise, and their base class."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import ClassVar, TypeAlias

from api.models.notification import Notification
from api.models.user import Channel, ContactState
from configs.ground.contact_addresses import country_of
from configs.ground.formatting import truncate_line
from configs.settings import settings
from configs.settings.constants import Constant
from configs.settings.groups import OTHER
from notifier.content.outgoing_message import OutgoingMessage

# How long a provider may keep silent before it counts as one that does not answer
PROVIDER_TIMEOUT_SECONDS = Constant("PROVIDER_TIMEOUT_SECONDS", 10.0)
# The same where another provider of mail can take the message over
PROVIDER_SWITCH_SECONDS = Constant("PROVIDER_SWITCH_SECONDS", 4.0)
# How long a phone rings: less than most voicemails wait
CALL_RING_SECONDS = Constant("CALL_RING_SECONDS", 25)
_LONGEST_REASON = 300  # characters
_LONGEST_ID = 250  # characters; those of our providers have 22 to 40


@dataclass(frozen=True, slots=True)
class Acceptance:
    """A provider's yes."""

    provider: str
    provider_id: str  # its id of the message; empty where it gives none
    cost: Decimal | None = None  # in EUR, by our settings
    delivered: bool = False  # its yes is the receipt
    awaits_receipt: bool = False  # it will say later what became of the message
    receipt_within: float | None = None  # seconds, where that is not NO_RECEIPT_SECONDS
    copies_unknown: int = 0  # other providers that may have accepted it before, in the same attempt
    segments: int | None = None  # that an SMS is billed as

    def __post_init__(self) -> None:
        """Keep of the id what the table takes: one that it refuses would have the message sent again."""
        object.__setattr__(self, "provider_id", truncate_line(self.provider_id, _LONGEST_ID))


class DeliveryError(Exception):
    """A message did not get a yes. `reason` is kept in its row: no address, no secret, no provider's prose."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = truncate_line(reason, _LONGEST_REASON)  # it may repeat what the provider answered


class PermanentError(DeliveryError):
    """Permanent: the same message to the same address will never be taken.

    `contact_state` is the state that the refusal gives the address, if any. Where a batch was refused, `at_fault` are
    the indexes of the messages that it names; `of_all` is set where the refusal is not about the addresses.
    """

    def __init__(
        self,
        reason: str,
        contact_state: ContactState | None = None,
        at_fault: frozenset[int] = frozenset(),
        *,
        of_all: bool = False,
    ) -> None:
        super().__init__(reason)
        self.contact_state = contact_state
        self.at_fault = at_fault
        self.of_all = of_all


class NothingToEdit(PermanentError):
    """The message that was to be edited is gone at the provider. No letter is dead: there is nothing left to say."""


class LeavesLoopback(PermanentError):
    """The message would have left this machine, which APP_ENV does not allow."""


class TemporaryError(DeliveryError):
    """Temporary: the provider did not take it and said so, or was never reached. `retry_after` is in seconds."""

    def __init__(self, reason: str, retry_after: float | None = None) -> None:
        super().__init__(reason)
        self.retry_after = retry_after


class RateLimited(TemporaryError):
    """The provider works, and asks for fewer messages."""


class AddressBusy(TemporaryError):
    """The provider works; only this address cannot be delivered to just now."""


class ProviderResting(TemporaryError):
    """No call was made: every provider of the channel failed lately and is left alone. The attempt does not count."""


class Misconfigured(TemporaryError):
    """Our key, sender or address of the provider is refused or missing: no message is to blame for that."""


class OutcomeUnknown(DeliveryError):
    """Unknown: the request left and no answer came. The message may have been accepted."""


class NotAttempted(DeliveryError):
    """The message never left: there was no time to wait for its answer. The attempt does not count."""


Answer: TypeAlias = Acceptance | DeliveryError


def answer_seconds(provider: str) -> float:
    """Return how long that provider may keep silent."""
    longest = PROVIDER_TIMEOUT_SECONDS()
    is_followed = provider in settings().mail_providers[:-1]
    return min(longest, PROVIDER_SWITCH_SECONDS()) if is_followed else longest


class Provider(ABC):
    """A service that takes messages over. One file in `notifier/channels/providers/` defines one provider."""

    # Its messages are answered one after the other, as `hand_over` yields them
    IS_SEQUENTIAL: ClassVar[bool] = False

    # The messages of a call leave apart, each to a server of its address: what one answers says nothing of another.
    SENDS_APART: ClassVar[bool] = False

    @abstractmethod
    def hand_over(self, messages: Sequence[OutgoingMessage]) -> Iterable[Answer]:
        """Hand over messages of one content, no address twice; give an answer for each, in their order.

        Messages that were answered together share one object.

        Raises:
            DeliveryError: the answer for all that have none yet, sorted by whether another attempt can help;
                PermanentError names the messages at fault where it is known.
        """


def price_sms(number: str, segments: int) -> Decimal:
    """Return what so many segments to a number cost, in EUR."""
    prices = settings().sms_price
    return prices.get(country_of(number) or OTHER, prices[OTHER]) * segments


def price_call(number: str) -> Decimal:
    """Return what a call to a number costs, in EUR: one minute, as our calls last less."""
    prices = settings().call_price
    return prices.get(country_of(number) or OTHER, prices[OTHER])


def price_settled(row: Notification) -> Decimal | None:
    """Return what a message cost of which only a receipt says that it was accepted; an SMS counts as one segment."""
    number = row.contact.address if row.contact else ""
    prices = {Channel.SMS: price_sms(number, 1), Channel.VOICE: price_call(number)}
    return prices.get(row.channel)
