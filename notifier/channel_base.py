"""Messages as rendered and as sent, and acceptances: the arguments and results of the channels' providers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from configs.formatting import truncate_line

_LONGEST_ID = 250  # characters; those of our providers have 22 to 40


@dataclass(frozen=True, slots=True)
class LinkButton:
    """The only button of a message that leads to a page."""

    label: str
    url: str


@dataclass(frozen=True, slots=True)
class ChoiceButton:
    """A button by which a reader answers in a chat: `data` comes back when it is pressed (configs/bot_buttons.py)."""

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
