"""Message kinds: their fields, what they are handed and give back, and the message as it leaves.

That is its texts and buttons, what of it its row keeps, the links that it carries, its MIME form.
"""

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from email.header import Header
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText
from email.policy import compat32
from email.utils import format_datetime, formataddr, parseaddr
from functools import lru_cache
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.orm import Session, load_only

from api.models.notification import HeldFor, Notification, Priority, State
from api.models.user import Channel, Contact, ContactState, Role, User
from configs.ground.addresses import ascii_address
from configs.ground.clock import clock
from configs.ground.message_groups import MessageGroup
from configs.ground.signing import ShowHelp, write_link
from configs.ground.text import read_language
from configs.settings import settings
from configs.world.desk import zone_or_home

MOST_IDS = 20  # of a message that every receipt of it names; the others are found by the provider's id of it
# Characters (RFC 5322, 2.1.1). Shorter lines would break List-Unsubscribe before its address, which few programs read.
_LONGEST_LINE = 998
_parse_sender = lru_cache(maxsize=2)(parseaddr)  # it takes 20 µs, for each mail of a crowd
# Kinds that others speak of
SLOT_DETECTED = "slot_detected"
SLOT_CALL = "slot_call"
CALL_MISSED = "call_missed"
# In the params of the SMS after a call: its id
CALL = "call"


@dataclass(frozen=True, slots=True)
class LinkButton:
    """The only button of a message that leads to a page."""

    label: str
    url: str


@dataclass(frozen=True, slots=True)
class ChoiceButton:
    """A button by which a reader answers: `data` comes back when it is pressed (api.models.bot_buttons)."""

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
    path: str = ""  # of our page that a message by push opens, or its address
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
    is_reply: bool = False  # to a command or button of its reader
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
            path=self._fill(texts.path),
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
        """Return the headers by which a sandbox's inbox knows it: ids, when the page was read; elsewhere none."""
        if not settings().loopback_only:
            return {}
        seen = {"seen_at": self.seen_at.isoformat()} if self.seen_at else {}
        return {
            f"X-{name.replace('_', '-').title()}": value for name, value in (self.metadata | seen).items()
        }

    @property
    def metadata(self) -> dict[str, str]:
        """Return our own ids as they travel: the first notification's, and all where there are several."""
        first = {"notification_id": str(self.ids[0])}
        return first if len(self.ids) == 1 else first | {"notification_ids": ",".join(map(str, self.ids))}


def sms_stop_page() -> str | None:
    """Return the page, in few characters, that an SMS names for stopping alerts; None where STOP can be answered.

    A name cannot receive an answer, and a messaging service may send from one.
    """
    sender = settings().twilio_phone_number or ""
    if sender.removeprefix("+").isdecimal():
        return None
    return f"{str(settings().frontend_url).rstrip('/').partition('://')[2]}/alertes"


def account_page(path: str) -> str:
    """Return a page of its reader's account: `dashboard`, `canaux`, `donnees`, `messages`."""
    return f"{str(settings().frontend_url).rstrip('/')}/{path}"


def own_headers(message: OutgoingMessage) -> dict[str, str]:
    """Return the headers that a mail has besides the usual, by every provider.

    The Message-ID is the same at every attempt and provider, so that mail programs show copies once.
    """
    domain = split_sender()[1].rpartition("@")[2]
    # Auto-Submitted: https://www.rfc-editor.org/rfc/rfc3834#section-5
    return {
        "Message-ID": f"<{message.ids[0]}@{domain}>",
        "Auto-Submitted": "auto-generated",
        **message.headers,
    }


def split_sender() -> tuple[str, str]:
    """Return the name and the address of EMAIL_FROM."""
    return _parse_sender(settings().email_from)


def build_mime(message: OutgoingMessage) -> bytes:
    """Return the mail as this person reads it. The text is in base64: QP takes Python 4 ms a mail.

    Raises:
        ValueError: no mail can be sent to the address.
    """
    content = message.filled
    text = MIMEText(content.text, "plain", "utf-8")
    mail: MIMEMultipart | MIMEText = text
    if content.html:
        mail = MIMEMultipart("alternative", _subparts=[text, MIMEText(content.html, "html", "utf-8")])
    headers = {
        "From": formataddr(split_sender()),
        "To": ascii_address(message.address),
        "Subject": Header(" ".join(content.subject.split()), "utf-8", header_name="Subject").encode(),
        "Date": format_datetime(clock()),
        **own_headers(message),
        **{name: value.replace(",", ", ") for name, value in message.inbox_headers.items()},
    }
    for name, value in headers.items():
        mail[name] = value
    return mail.as_bytes(policy=compat32.clone(linesep="\r\n", max_line_length=_LONGEST_LINE))


@dataclass(frozen=True, slots=True)
class ClaimedRow:
    """The columns of a claimed notification that saying and sending it need."""

    id: UUID
    channel: Channel
    kind: str
    language: str
    params: dict[str, Any]
    priority: Priority
    attempts: int
    unknown_attempts: int
    created_at: datetime
    contact_id: UUID | None = None
    reason: str | None = None
    held_for: HeldFor | None = None
    seen_at: datetime | None = None
    matched_at: datetime | None = None
    address: str | None = None  # of a message to an address without an account

    def __post_init__(self) -> None:
        """Replace an unknown language by French: Babel writes dates only in languages that it has."""
        object.__setattr__(self, "language", read_language(self.language))

    @classmethod
    def of(cls, row: Notification) -> "ClaimedRow":
        """Return those columns of a row."""
        return cls(*(getattr(row, name) for name in CLAIMED_COLUMNS))


CLAIMED_COLUMNS = tuple(each.name for each in fields(ClaimedRow))


@dataclass(frozen=True, slots=True)
class TemplateContext:
    """The values that a kind's texts are filled with."""

    values: dict[str, Any] = field(default_factory=dict)
    url: str | None = None  # where the button leads, if the message has one and that is not the value `url`
    # Tag among the values → what differs per person
    substitutions: dict[str, str] = field(default_factory=dict)
    key: Hashable = None  # contexts of the same key have the same values, so that their text is rendered once
    origin: Any = None  # what `merge` works from
    address: str | None = None  # where the message goes instead of its contact's address
    stop_token: str = ""  # of the link that stops what the message is about
    replaces: str = ""  # the provider's id of the message that it takes the place of
    choices: Choices = ()  # the buttons by which a reader answers, on channels that have such

    def __post_init__(self) -> None:
        """Let the button lead where the texts do."""
        if self.url is None:
            object.__setattr__(self, "url", self.values.get("url"))


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


@dataclass(frozen=True, slots=True)
class Recipients:
    """The contacts that a kind is written for, and what keeps a message from one of them when it leaves."""

    accepts: Callable[[Contact], bool]
    find_loss: Callable[[Contact], Skip | None] = lambda _contact: None  # the kind itself says why


@dataclass(frozen=True, slots=True)
class DueMessage:
    """A notification that is about to leave, what it is read again with, and when."""

    session: Session
    row: ClaimedRow
    contact: Contact
    now: datetime
    is_beside: bool = False  # its texts stand around the French one, which binds

    @property
    def params(self) -> dict[str, Any]:
        """Return the params of its row."""
        return self.row.params

    @property
    def language(self) -> str:
        """Return the language of its texts."""
        return self.row.language

    def find_page(self, path: str) -> str:
        """Return a page of the reader's account; of a person helped, who has none, the page of the own link."""
        role = self.session.scalar(sa.select(User.role).where(User.id == self.contact.user_id))
        return write_link(ShowHelp(self.contact.id)) if role is Role.BENEFICIARY else account_page(path)

    @property
    def zone(self) -> ZoneInfo:
        """Return the time zone of its user."""
        user = self.session.get_one(User, self.contact.user_id, options=[load_only(User.time_zone)])
        return zone_or_home(user.time_zone)


Values = Callable[[DueMessage], TemplateContext | Skip]
Check = Callable[[DueMessage], Skip | None]
ReadMany = Callable[[Session, Seen, datetime], list[TemplateContext | Skip]]


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageKind:
    """A kind of message: an entry in the table of its theme's module; its texts are `templates/<name>.jinja`."""

    to: Recipients
    values: Values  # what the texts are filled with, whether or not the message would be sent now
    # No row keeps its text: a link or a code that opens the account, what is encrypted, another person's words.
    secret: bool = False
    check: Check | None = None  # why a message that waited is not true any more
    group: MessageGroup = MessageGroup.ACCOUNT  # what a reader of its mails can stop
    notice_link: str | None = None  # the app shows it too, with a link to this page
    chats_wait: bool = False  # beside a mail that never waits, the others keep quiet hours
    # From when on it says nothing any more: one that quiet hours would hold until then cannot wait.
    find_end_of_use: Callable[[Mapping[str, Any]], datetime | None] = lambda _params: None
    prepare_many: ReadMany | None = None  # reads many rows at once

    def prepare(
        self, session: Session, row: ClaimedRow, contact: Contact, now: datetime
    ) -> TemplateContext | Skip:
        """Read the rows again just before sending: the values of the texts, or why nothing is sent any more."""
        due, skip = DueMessage(session, row, contact, now), self.to.find_loss(contact)
        if skip is None and self.check:
            skip = self.check(due)
        return skip or self.values(due)

    def prepare_all(self, session: Session, rows: Seen, now: datetime) -> list[TemplateContext | Skip]:
        """Read the rows of many notifications, as `prepare` does those of one; in their order."""
        if self.prepare_many:
            return self.prepare_many(session, rows, now)
        return [self.prepare(session, row, contact, now) for row, contact in rows]


def is_mail(contact: Contact) -> bool:
    """Whether it is an e-mail address, confirmed or not, switched off or not."""
    return contact.channel is Channel.EMAIL


def is_confirmed_mail(contact: Contact) -> bool:
    """Whether it is a confirmed e-mail address, switched off or not."""
    return is_mail(contact) and contact.verified_at is not None


def takes_plan_news(contact: Contact) -> bool:
    """Whether it can be reached; a confirmed e-mail address also where alerts by mail are switched off."""
    return contact.reachable or (is_confirmed_mail(contact) and contact.takes_account_mail)


def skip_address(contact: Contact) -> Skip:
    """Return the end of a message whose address takes none, by the state of the address."""
    return Skip(State.SKIPPED, f"address {contact.state.value}")


def skip_unreachable(contact: Contact) -> Skip | None:
    """Return why nothing is sent to a contact that was reachable when the message was written, or None."""
    if contact.state is not ContactState.OK:
        return skip_address(contact)
    if contact.reachable:
        return None
    return Skip(State.SKIPPED, "address not verified" if contact.enabled else "switched off")


def find_account_loss(contact: Contact) -> Skip | None:
    """Return why mail about the account does not go there, or None."""
    return None if contact.takes_account_mail else skip_address(contact)


ADDRESS = Recipients(is_mail)  # an e-mail address, whatever becomes of the account
REACHABLE = Recipients(lambda contact: contact.reachable, skip_unreachable)
REACHABLE_MAIL = Recipients(lambda contact: is_mail(contact) and contact.reachable, skip_unreachable)
CONFIRMED_MAIL = Recipients(is_confirmed_mail, find_account_loss)
ANY_MAIL = Recipients(is_mail, find_account_loss)
# Of an account that pays: also where mail was reported as spam.
PAYERS_MAIL = Recipients(is_mail, lambda contact: skip_address(contact) if contact.is_lost else None)
REACHABLE_OR_MAIL = Recipients(
    takes_plan_news, lambda contact: None if takes_plan_news(contact) else skip_address(contact)
)
# A chat, switched off or not: who asked there awaits a reply.
LINKED_CHAT = Recipients(
    lambda contact: contact.channel is Channel.TELEGRAM and contact.is_linked,
    lambda contact: None if contact.is_linked else skip_address(contact),
)
# Other channels cannot change what they delivered.
EDITABLE_CHAT = Recipients(
    lambda contact: contact.channel is Channel.TELEGRAM and contact.reachable, skip_unreachable
)
