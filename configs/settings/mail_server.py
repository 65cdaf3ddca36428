"""Providers of mail: their order, and the mail server of SMTP_URL."""

from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

SCHEMES = ("smtp://", "smtps://")
# https://www.rfc-editor.org/rfc/rfc8314#section-7.3 and https://www.rfc-editor.org/rfc/rfc6409#section-3.1
_PORTS = {"smtp": 587, "smtps": 465}
# Provider of mail → the setting without which it sends nothing.
MAIL_PROVIDERS = {"sendgrid": "sendgrid_api_key", "smtp": "smtp_url"}


@dataclass(frozen=True, slots=True)
class MailServer:
    """A mail server. With `smtps` TLS begins with the connection, with `smtp` by STARTTLS."""

    host: str
    port: int
    user: str
    password: str = field(repr=False)
    is_tls_from_start: bool


def parse_mail_server(text: str) -> MailServer:
    """Read `smtps://user:password@host:465` or `smtp://user:password@host:587`.

    Raises:
        ValueError: it names no mail server; the text says what is wrong and repeats no secret.
    """
    if not text.startswith(SCHEMES):
        raise ValueError(f"must begin with {' or '.join(SCHEMES)}")
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise ValueError("names no host and port: write smtps://user:password@host:465") from None
    if not parts.hostname or parts.path not in ("", "/") or parts.query or parts.fragment:
        raise ValueError("is no address of a mail server: write special characters of the password as %XX")
    if (parts.username is None) != (parts.password is None):
        raise ValueError("names a user without a password, or a password without a user")
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    if not (user + password).isascii():
        raise ValueError("holds a letter in its user or password that is not ASCII: no login could send it")
    is_tls_from_start = parts.scheme == "smtps"
    return MailServer(parts.hostname, port or _PORTS[parts.scheme], user, password, is_tls_from_start)


def parse_mail_providers(text: str) -> tuple[str, ...]:
    """Read `sendgrid,smtp`: those to try first in front.

    Raises:
        ValueError: a name is unknown, twice there or missing.
    """
    names = tuple(each.strip() for each in text.split(","))
    if len(set(names)) < len(names) or not set(names) <= set(MAIL_PROVIDERS):
        raise ValueError(
            f"names providers of mail, each once, with commas between them: {', '.join(MAIL_PROVIDERS)}"
        )
    return names
