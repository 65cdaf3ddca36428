"""MIME message of a mail: its headers and parts, as a mail server takes them."""

from email.header import Header
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText
from email.policy import compat32
from email.utils import format_datetime, formataddr, parseaddr
from functools import lru_cache

from configs.ground.clock import clock
from configs.ground.contact_addresses import ascii_address
from configs.settings import settings
from notifier.content.outgoing_message import OutgoingMessage

# Characters (RFC 5322, 2.1.1). Shorter lines would break List-Unsubscribe before its address, which few programs read.
_LONGEST_LINE = 998


def message_id(message: OutgoingMessage) -> str:
    """Return the Message-ID: the same at every attempt and provider, so that mail programs show copies once."""
    domain = split_sender()[1].rpartition("@")[2]
    return f"<{message.ids[0]}@{domain}>"


def own_headers(message: OutgoingMessage) -> dict[str, str]:
    """Return the headers that a mail has besides the usual, by every provider."""
    # Auto-Submitted: https://www.rfc-editor.org/rfc/rfc3834#section-5
    return {
        "Message-ID": message_id(message),
        "Auto-Submitted": "auto-generated",
        **message.headers,
    }


def split_sender() -> tuple[str, str]:
    """Return the name and the address of EMAIL_FROM."""
    return _split(settings().email_from)


@lru_cache(maxsize=2)
def _split(sender: str) -> tuple[str, str]:
    return parseaddr(sender)


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
    for name, value in _headers(message).items():
        mail[name] = value
    return mail.as_bytes(policy=compat32.clone(linesep="\r\n", max_line_length=_LONGEST_LINE))


def _headers(message: OutgoingMessage) -> dict[str, str]:
    inbox = message.inbox_headers if settings().loopback_only else {}
    return {
        "From": formataddr(split_sender()),
        "To": ascii_address(message.address),
        "Subject": Header(" ".join(message.content.subject.split()), "utf-8", header_name="Subject").encode(),
        "Date": format_datetime(clock()),
        **own_headers(message),
        **{name: value.replace(",", ", ") for name, value in inbox.items()},
    }
