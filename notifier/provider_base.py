"""Providers: what they are handed, give back and raise, and their base class."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from typing import ClassVar, TypeAlias
from uuid import UUID

from api.models.user import ContactState
from configs.ground.formatting import truncate_line
from configs.settings import settings
from configs.settings.constants import Constant

# How long a provider may keep silent before it counts as one that does not answer
PROVIDER_TIMEOUT_SECONDS = Constant("PROVIDER_TIMEOUT_SECONDS", 10.0)
# The same where another provider of mail can take the message over
PROVIDER_SWITCH_SECONDS = Constant("PROVIDER_SWITCH_SECONDS", 4.0)
# How long a phone rings: less than most voicemails wait
CALL_RING_SECONDS = Constant("CALL_RING_SECONDS", 25)
_LONGEST_REASON = 300  # characters
_LONGEST_ID = 250  # characters; those of our providers have 22 to 40


@dataclass(frozen=True, slots=True)
class LinkButton:
    """The only button of a message that leads to a page."""

    label: str
    url: str


@dataclass(frozen=True, slots=True)
class ChoiceButton:
    """A button by which a reader answers: `data` comes back when it is pressed (configs.ground.bot_buttons)."""

    label: str
    data: str


Choices = tuple[tuple[ChoiceButton, ...], ...]  # row by row


@dataclass(frozen=True, slots=True)
class RenderedMessage:
    """The texts of a message, as far as its kind has them: each channel takes the parts that it can show."""

    text: str = ""
    html: str = ""
    subject: str = ""
    brief: str = ""  # the same in fewer words, for an SMS
    path: str = ""  # of our page that a message by push opens
    button: LinkButton | None = None
    choices: Choices = ()
    language: str = ""  # that the texts are in


@dataclass(frozen=True, slots=True)
class StoredText:
    """What a message said, as its row keeps it: plain text, without the links that act for their reader."""

    title: str | None
    text: str


@dataclass(frozen=True, slots=True)
class OutgoingMessage:
    """One message to one address; several messages may share their content."""

    content: RenderedMessage
    address: str
    ids: Sequence[UUID]  # the notifications it carries: sent along, so that a receipt settles them
    substitutions: Mapping[str, str] = field(default_factory=dict)  # tag in the texts → this person's value
    seen_at: datetime | None = None  # when the page was read, for the sandbox's inbox
    headers: Mapping[str, str] = field(default_factory=dict)  # of a mail, besides those that every mail has
    # About the account or a payment, or wanted again after a spam report: no provider's list of those holds it up.
    passes_lists: bool = False
    replaces: str = ""  # the provider's id of the message that it edits
    stored: StoredText | None = None  # None of a secret kind

    @property
    def filled(self) -> RenderedMessage:
        """Return the content as this person reads it."""
        if not self.substitutions:
            return self.content
        texts = self.content
        return replace(
            texts,
            text=self._fill(texts.text),
            html=self._fill(texts.html),
            brief=self._fill(texts.brief),
            choices=tuple(
                tuple(replace(each, data=self._fill(each.data)) for each in row) for row in texts.choices
            ),
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
            notifier.provider_base.DeliveryError: sorted by whether another attempt can help; PermanentError names the
                messages at fault where it is known.
        """

    def hand_over(self, messages: Sequence[OutgoingMessage]) -> Sequence[Answer]:
        """Hand them over in one call; return its answer for each."""
        try:
            answer: Answer = self.send(messages)
        except DeliveryError as error:
            answer = error
        return [answer] * len(messages)
