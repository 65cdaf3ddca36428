"""Everything the providers' stand-ins accepted, in order; the inbox page and the tests read it."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from deploy.sandbox.clock import as_utc, now

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

CHANNELS: Final = ("email", "sms", "telegram")
_KEPT: Final = 100_000  # messages; a load run must not eat the memory


@dataclass(frozen=True)
class Button:
    """A link shown as a button under a Telegram message."""

    text: str
    url: str


@dataclass(frozen=True)
class OutboxDraft:
    """What one recipient is sent, before it is accepted.

    ``seen_at`` is when the page that caused it was read, where the sender told; ``custom`` holds the
    sender's own ids; ``html`` is None where the channel or the message has none; ``field_name`` is where in
    the call the recipient stood, as the provider names it; ``headers`` are a mail's own, besides the usual.
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


@dataclass(frozen=True)
class Message:
    """One accepted message to one recipient; ``number`` counts from 1 and is never reused."""

    number: int
    channel: str
    provider_id: str
    received_at: datetime
    draft: OutboxDraft
    provider: str = ""

    @property
    def to(self) -> str:
        """Return the address, E.164 number or chat id it went to."""
        return self.draft.to

    @property
    def subject(self) -> str | None:
        """Return the mail's subject."""
        return self.draft.subject

    @property
    def text(self) -> str:
        """Return the plain text; for Telegram the text as sent, with its tags."""
        return self.draft.text

    @property
    def html(self) -> str | None:
        """Return the HTML body."""
        return self.draft.html

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
        return {
            "number": self.number,
            "channel": self.channel,
            "provider": self.provider,
            "provider_id": self.provider_id,
            "to": draft.to,
            "from": draft.sender,
            "subject": draft.subject,
            "text": draft.text,
            "html": draft.html,
            "buttons": [{"text": button.text, "url": button.url} for button in draft.buttons],
            "custom": draft.custom,
            "headers": draft.headers,
            "received_at": as_utc(self.received_at),
            "seen_at": as_utc(draft.seen_at) if draft.seen_at else None,
            "milliseconds": self.milliseconds,
        }


class Outbox:
    """The accepted messages of all channels; listeners get each as it comes."""

    def __init__(self) -> None:
        self._messages: deque[Message] = deque(maxlen=_KEPT)
        self._count = 0
        self.listeners: set[Callable[[Message], None]] = set()

    def accept(self, channel: str, provider_id: str, draft: OutboxDraft, provider: str = "") -> Message:
        """Keep a message as accepted now."""
        self._count += 1
        message = Message(self._count, channel, provider_id, now(), draft, provider)
        self._messages.append(message)
        for listener in tuple(self.listeners):
            listener(message)
        return message

    def messages(self, channel: str | None = None) -> list[Message]:
        """Return what was accepted, oldest first, of one channel or of all."""
        return [message for message in self._messages if channel in (None, message.channel)]

    def find(self, number: int) -> Message | None:
        """Return one message by its number."""
        return next((message for message in self._messages if message.number == number), None)

    def clear(self, channel: str | None = None) -> None:
        """Forget the messages of one channel or of all."""
        kept = [message for message in self._messages if channel not in (None, message.channel)]
        self._messages = deque(kept, maxlen=_KEPT)
