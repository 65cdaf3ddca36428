"""A message as it leaves: its texts and buttons, what of it its row keeps, the links that it carries, its MIME form."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from email.header import Header
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText
from email.policy import compat32
from email.utils import format_datetime, formataddr, parseaddr
from functools import lru_cache
from uuid import UUID

from configs.ground.clock import clock
from configs.ground.contact_addresses import ascii_address
from configs.settings import settings


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


# Webhooks that Twilio reports to, and what their query calls the notifications of a message.
SMS_WEBHOOK, CALL_WEBHOOK = "/api/hooks/twilio", "/api/hooks/twilio/calls"
IDS = "notifications"
MOST_IDS = 20  # of a message that every receipt of it names; the others are found by the provider's id of it
# Twilio gives up a call that we answer with an error, unless its address asks for retries; five, in 15 s:
# https://www.twilio.com/docs/usage/webhooks/webhooks-connection-overrides
RETRIES = "#rc=5&rp=all"


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


def webhook_address(path: str, query: str = "") -> str:
    """Return the public address of a webhook, which Twilio signs."""
    address = f"{settings().api_url}{path}"
    return f"{address}?{query}" if query else address


def callback_of(path: str, ids: Sequence[UUID]) -> str:
    """Return where Twilio reports on the message of these notifications."""
    return webhook_address(path, f"{IDS}={'.'.join(str(each) for each in ids[:MOST_IDS])}") + RETRIES


# Characters (RFC 5322, 2.1.1). Shorter lines would break List-Unsubscribe before its address, which few programs read.
_LONGEST_LINE = 998


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


_parse_sender = lru_cache(maxsize=2)(parseaddr)  # it takes 20 µs, for each mail of a crowd


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
