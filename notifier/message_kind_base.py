"""Base class of the message kinds, and what a kind is handed and gives back."""

from abc import ABC, abstractmethod
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy.orm import Session

from api.models.notification import HeldFor, Notification, Priority, State
from api.models.user import Channel, Contact
from configs.languages import FRENCH_AND_ENGLISH, read_language
from configs.message_groups import MessageGroup
from notifier.channel_base import Choices


@dataclass(frozen=True, slots=True)
class ClaimedRow:
    """The columns of a claimed notification that saying and sending it need."""

    id: UUID
    contact_id: UUID | None
    channel: Channel
    kind: str
    language: str
    params: dict[str, Any]
    priority: Priority
    attempts: int
    reason: str | None
    held_for: HeldFor | None
    seen_at: datetime | None
    matched_at: datetime | None
    unknown_attempts: int
    created_at: datetime
    address: str | None = None  # of a message to an address without an account

    def __post_init__(self) -> None:
        """Replace an unknown language by French: Babel writes dates only in languages that it has."""
        object.__setattr__(self, "language", read_language(self.language))

    @classmethod
    def of(cls, row: Notification) -> "ClaimedRow":
        """Return those columns of a row."""
        return cls(*(getattr(row, name) for name in CLAIMED_COLUMNS))

    @classmethod
    def from_values(cls, row: Mapping[str, Any]) -> "ClaimedRow":
        """Return those columns of a row that is being written, by name; a column that it does not name is None."""
        values: list[Any] = [row.get(name) for name in CLAIMED_COLUMNS]
        return cls(*values)


CLAIMED_COLUMNS = tuple(each.name for each in fields(ClaimedRow))


@dataclass(frozen=True, slots=True)
class TemplateContext:
    """The values that a kind's texts are filled with."""

    values: dict[str, Any] = field(default_factory=dict)
    url: str | None = None  # where the button leads, if the message has one
    substitutions: dict[str, str] = field(
        default_factory=dict
    )  # tag among the values → what differs per person
    key: Hashable = None  # contexts of the same key have the same values, so that their text is rendered once
    origin: Any = None  # what `merge` works from
    address: str | None = None  # where the message goes instead of its contact's address
    stop_token: str = ""  # of the link that stops what the message is about
    replaces: str = ""  # the provider's id of the message that it takes the place of
    choices: Choices = ()  # the buttons by which a reader answers, on channels that have such


@dataclass(frozen=True, slots=True)
class Skip:
    """A notification that is not sent: how it ends and why.

    A pending one is looked at again after some seconds, or at `until`, where its reader wants it then.
    """

    state: State
    reason: str
    until: datetime | None = None
    held_for: HeldFor | None = None  # of a pending one


Seen = Sequence[tuple[ClaimedRow, Contact]]


class MessageKind(ABC):
    """A kind of message. One file in `notifier/message_kinds/` defines one kind; its texts are templates."""

    group: ClassVar[MessageGroup] = MessageGroup.ACCOUNT  # what a reader of its mails can stop

    languages: ClassVar[Sequence[str]] = FRENCH_AND_ENGLISH  # that its texts exist in; French is the fallback

    chats_wait: ClassVar[bool] = False  # beside a mail that never waits, the others keep quiet hours

    is_secret: ClassVar[bool] = (
        False  # its text is a link or a code that opens the account: it is never shown again
    )

    makes_notice: ClassVar[bool] = False  # it is shown in the app too, by `notice.txt` of its texts

    notice_link: ClassVar[str | None] = None  # where that notice leads: the path of one of our pages

    def accepts_contact(self, contact: Contact) -> bool:
        """Whether a message of this kind is written for a contact at all; as a rule where a person can be reached."""
        return contact.reachable

    @abstractmethod
    def prepare(
        self, session: Session, row: ClaimedRow, contact: Contact, now: datetime
    ) -> TemplateContext | Skip:
        """Read the rows again just before sending: the values of the texts, or why nothing is sent any more."""

    def find_end_of_use(self, _params: Mapping[str, Any]) -> datetime | None:
        """Return from when on it says nothing any more: one that quiet hours would hold until then cannot wait."""
        return None

    def name_subject(self, _params: Mapping[str, Any]) -> dict[str, Any]:
        """Return the values of its title, as far as a row has them of which nothing else is left."""
        return {}

    def restore(self, session: Session, row: ClaimedRow, contact: Contact) -> TemplateContext | Skip:
        """Read again what a message said that was written before, whether or not it would be sent now.

        `contact` can be reached, and has no address.
        """
        return self.prepare(session, row, contact, row.created_at)

    def restore_all(self, session: Session, rows: Seen) -> list[TemplateContext | Skip]:
        """Read again what many messages said, as `restore` does one."""
        return [self.restore(session, row, contact) for row, contact in rows]


class Mergeable(MessageKind):
    """A kind several of whose notifications may leave as one message."""

    @abstractmethod
    def prepare_all(self, session: Session, rows: Seen, now: datetime) -> list[TemplateContext | Skip]:
        """Read the rows of many notifications at once, as `prepare` does those of one."""

    @abstractmethod
    def merge(self, contexts: Sequence[TemplateContext], language: str) -> TemplateContext:
        """Return the values of one message to one contact that replaces these."""
