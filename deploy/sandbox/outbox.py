"""Everything the providers' stand-ins accepted, in order; the inbox page and the tests read it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Final

from deploy.sandbox.clock import as_utc, now

if TYPE_CHECKING:
    from datetime import datetime

_SHOWN: Final = (  # as they are
    *("number", "channel", "provider", "provider_id", "to", "subject", "text", "html", "custom"),
    *("milliseconds", "text_before", "change"),
)
_KEPT: Final = 100_000  # messages; a load run must not eat the memory


@dataclass(frozen=True)
class Button:
    """A button under a Telegram message: a link, or one that sends its ``data`` to the bot. Rows count from 0."""

    text: str
    url: str
    data: str = ""
    row: int = 0


@dataclass(frozen=True)
class OutboxDraft:
    """What one recipient is sent, before it is accepted.

    ``seen_at`` is when the page that caused it was read, where the sender told; ``custom`` holds the
    sender's own ids; ``html`` is None where the channel or the message has none; ``field_name`` is where in
    the call the recipient stood, as the provider names it; ``headers`` are a mail's own, besides the usual.
    ``substitutions`` are what stands for a tag in its texts: filled in when it is read, as few of a crowd's mails are.
    """

    to: str
    text: str
    sender: str = ""
    subject: str | None = None
    html: str | None = None
    seen_at: datetime | None = None
    custom: dict[str, str] = field(default_factory=dict)
    buttons: tuple[Button, ...] = ()
    field_name: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    substitutions: dict[str, str] = field(default_factory=dict)

    def fill(self, text: str) -> str:
        """Return a text of it with its substitutions."""
        for tag, value in self.substitutions.items():
            text = text.replace(tag, value)
        return text


@dataclass(frozen=True)
class Message:
    """One accepted message to one recipient; ``number`` counts from 1 and is never reused.

    ``edited_at`` is when its sender changed the text, ``text_before`` what it had said first.
    """

    number: int
    channel: str
    provider_id: str
    received_at: datetime
    draft: OutboxDraft
    provider: str = ""
    edited_at: datetime | None = None
    text_before: str | None = None
    change: int = 0  # which of all acceptances and changes was its last

    @property
    def to(self) -> str:
        """Return the address, E.164 number or chat id it went to."""
        return self.draft.to

    @property
    def subject(self) -> str | None:
        """Return the mail's subject."""
        return self.draft.fill(self.draft.subject) if self.draft.subject else self.draft.subject

    @property
    def text(self) -> str:
        """Return the plain text; for Telegram the text as sent, with its tags."""
        return self.draft.fill(self.draft.text)

    @property
    def html(self) -> str | None:
        """Return the HTML body."""
        return self.draft.fill(self.draft.html) if self.draft.html else self.draft.html

    @property
    def custom(self) -> dict[str, str]:
        """Return the sender's own ids."""
        return self.draft.custom

    @property
    def milliseconds(self) -> int | None:
        """Return how long after the page was read it was accepted; None when the sender did not tell."""
        if self.draft.seen_at is None:
            return None
        return round((self.received_at - self.draft.seen_at).total_seconds() * 1000)

    def to_json(self) -> dict[str, object]:
        """Return it as JSON shows it."""
        draft = self.draft
        moments = {"received_at": self.received_at, "seen_at": draft.seen_at, "edited_at": self.edited_at}
        return {
            **{name: getattr(self, name) for name in _SHOWN},
            **{name: as_utc(at) if at else None for name, at in moments.items()},
            "from": draft.sender,
            "headers": draft.headers,
            "buttons": [asdict(button) for button in draft.buttons],
        }


class Outbox:
    """The accepted messages of all channels."""

    def __init__(self) -> None:
        self._messages: dict[int, Message] = {}  # by number, which is their order
        self._numbers: dict[tuple[str, str, str], int] = {}  # by channel, provider's id and recipient
        self._count = 0
        self._changes = 0

    def accept(self, channel: str, provider_id: str, draft: OutboxDraft, provider: str = "") -> Message:
        """Keep a message as accepted now."""
        self._count += 1
        message = self._keep(Message(self._count, channel, provider_id, now(), draft, provider))
        self._numbers[_key(message)] = message.number
        while len(self._messages) > _KEPT:
            self._forget(next(iter(self._messages.values())))
        return message

    def edit(self, message: Message, draft: OutboxDraft) -> None:
        """Change text and buttons of a message; what its sender told with it stays."""
        shown = replace(message.draft, text=draft.text, html=draft.html, buttons=draft.buttons)
        before = message.text if message.text_before is None else message.text_before
        self._keep(replace(message, draft=shown, edited_at=now(), text_before=before))

    def change(self, message: Message, draft: OutboxDraft) -> None:
        """Change what is known of a message: of a call, what was said and how it stands."""
        self._keep(replace(message, draft=draft, edited_at=now()))

    def messages(self, channel: str | None = None) -> list[Message]:
        """Return what was accepted, oldest first, of one channel or of all."""
        return [message for message in self._messages.values() if channel in (None, message.channel)]

    def find(self, number: int) -> Message | None:
        """Return one message by its number."""
        return self._messages.get(number)

    def find_sent(self, channel: str, provider_id: str, to: str) -> Message | None:
        """Return one message by the provider's id of it, which is its recipient's."""
        return self._messages.get(self._numbers.get((channel, provider_id, to), 0))

    def clear(self, channel: str | None = None) -> None:
        """Forget the messages of one channel or of all."""
        for message in self.messages(channel):
            self._forget(message)

    def _keep(self, message: Message) -> Message:
        self._changes += 1
        kept = self._messages[message.number] = replace(message, change=self._changes)
        return kept

    def _forget(self, message: Message) -> None:
        del self._messages[message.number]
        if self._numbers.get(_key(message)) == message.number:
            del self._numbers[_key(message)]


def _key(message: Message) -> tuple[str, str, str]:
    return message.channel, message.provider_id, message.to
