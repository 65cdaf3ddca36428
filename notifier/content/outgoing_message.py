"""A message as it leaves: its texts and buttons, and what of it its row keeps."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from uuid import UUID


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
    def inbox_headers(self) -> dict[str, str]:
        """Return the headers by which a sandbox's inbox knows a message: its ids, and when its page was read."""
        seen = {"seen_at": self.seen_at.isoformat()} if self.seen_at else {}
        return {
            f"X-{name.replace('_', '-').title()}": value for name, value in (self.metadata | seen).items()
        }

    @property
    def metadata(self) -> dict[str, str]:
        """Return our own ids as they travel: the first notification's, and all where there are several."""
        first = {"notification_id": str(self.ids[0])}
        return first if len(self.ids) == 1 else first | {"notification_ids": ",".join(map(str, self.ids))}
