"""The product's keys: which settings hold one, what each looks like, and what cannot be a key."""

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import unquote, urlsplit

from pydantic import SecretStr

from configs.settings.common import DATABASE_LOGINS
from configs.settings.value_types import split_words

if TYPE_CHECKING:
    from configs.settings import Settings

OWN_BYTES, GIVEN_BYTES = 32, 16  # of keys that we draw, and of others


class Key(NamedTuple):
    """What a key looks like. `least`: bytes that it has in production, 0 for any number.

    `several`: values with commas between them are all valid, the first one signs, encrypts or is sent. `given`: made
    elsewhere; it travels in headers and addresses, so it is plain ASCII without a space. `shape`: by which a key of
    another provider, or one that was copied in part, is found, and its description.
    """

    least: int = GIVEN_BYTES
    several: bool = False
    given: bool = False
    shape: tuple[str, str] | None = None


_OWN = Key(OWN_BYTES, several=True)
KEYS = {
    "jwt_secret": _OWN,
    "jwt_secret_previous": Key(OWN_BYTES),
    "link_key": _OWN,
    "data_keys": _OWN,
    "lookup_key": _OWN,
    "sendgrid_api_key": Key(given=True, shape=(r"SG\..+", "SendGrid's begin with SG.")),
    "twilio_auth_token": Key(given=True, shape=(r".{32,}", "Twilio's have 32 characters")),
    "telegram_bot_token": Key(
        given=True, shape=(r"\d+:[\w-]+", "@BotFather's are a number, a colon and a text")
    ),
    "telegram_webhook_secret": Key(several=True),
    "stripe_secret_key": Key(given=True),
    "stripe_webhook_secret": Key(several=True, given=True, shape=(r"whsec_.+", "Stripe's begin with whsec_")),
    "scrapyd_password": Key(several=True),
    "db_password": Key(),
    "redis_password": Key(),
    **dict.fromkeys(
        ("ants_token", "proofs_secret_access_key", "backup_secret_access_key", "invoices_secret_access_key"),
        Key(0, given=True),
    ),
}
# Addresses whose password is a key.
ADDRESSES = ("database_url", *DATABASE_LOGINS, "redis_url", "smtp_url")
_PLAIN = re.compile(r"[!-~]+")


def find_key_problems(current: "Settings") -> Iterator[str]:
    """Name each key that cannot work, whatever the APP_ENV, and what to do."""
    for name, key in KEYS.items():
        variable, text = name.upper(), read_text(current, name)
        if not text:
            continue
        values = [each.strip() for each in text.split(",")] if key.several else [text]
        if not all(values):
            yield f"{variable} has an empty value beside a comma: write the value, or take the comma out"
        if len(set(values)) < len(values):
            yield f"{variable} has the same value twice: take one out"
        if key.given and not all(map(_PLAIN.fullmatch, filter(None, values))):
            yield f"{variable} holds a space or a letter that no such key has: copy it again"
        elif not all(map(str.isprintable, values)):
            yield f"{variable} holds an invisible character, such as a byte order mark: write it again"
    previous = read_text(current, "jwt_secret_previous")
    if previous and previous in split_words(read_text(current, "jwt_secret") or ""):
        yield "JWT_SECRET_PREVIOUS is a value of JWT_SECRET too: remove JWT_SECRET_PREVIOUS"


def read_text(current: "Settings", name: str) -> str | None:
    """Return the text of a setting, also of a secret one."""
    value = getattr(current, name, None)  # `proofs` has no login to the database
    if value is None:
        return None
    return value.get_secret_value() if isinstance(value, SecretStr) else str(value)


def read_password(url: str | None) -> str | None:
    """Return the password of an address; none where the server trusts its socket or a certificate."""
    try:
        password = urlsplit(url or "").password
    except ValueError:
        return ""  # an address that cannot be read has no password that could be strong
    return None if password is None else unquote(password)
