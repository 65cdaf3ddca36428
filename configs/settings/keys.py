"""The product's keys: which settings hold one, the values that each has, and what cannot be a key."""

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from pydantic import SecretStr

from configs.settings.common import DATABASE_LOGINS
from configs.settings.value_types import split_words

if TYPE_CHECKING:
    from configs.settings import Settings

# Settings that take several values, with commas between them: the first one signs, encrypts or is sent, all are valid.
SEVERAL = (
    "jwt_secret",
    "link_key",
    "data_keys",
    "lookup_key",
    "stripe_webhook_secret",
    "telegram_webhook_secret",
    "scrapyd_password",
)
# Made elsewhere. They travel in headers and addresses, so they are plain ASCII without a space.
_GIVEN = (
    "sendgrid_api_key",
    "twilio_auth_token",
    "telegram_bot_token",
    "stripe_secret_key",
    "stripe_webhook_secret",
    "ants_token",
    "proofs_secret_access_key",
    "backup_secret_access_key",
    "invoices_secret_access_key",
)
KEYS = tuple(dict.fromkeys(SEVERAL + _GIVEN))
# Addresses whose password is a key.
ADDRESSES = ("database_url", *DATABASE_LOGINS, "redis_url", "smtp_url")
_PLAIN = re.compile(r"[!-~]+")


def find_key_problems(current: "Settings") -> Iterator[str]:
    """Name each key that cannot work, whatever the APP_ENV, and what to do."""
    for name in (*KEYS, "jwt_secret_previous"):
        if text := read_text(current, name):
            values = [each.strip() for each in text.split(",")] if name in SEVERAL else [text]
            yield from _find_list_problems(name.upper(), values)
            yield from _find_letter_problems(name, values)
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


def _find_list_problems(variable: str, values: list[str]) -> Iterator[str]:
    if not all(values):
        yield f"{variable} has an empty value beside a comma: write the value, or take the comma out"
    if len(set(values)) < len(values):
        yield f"{variable} has the same value twice: take one out"


def _find_letter_problems(name: str, values: list[str]) -> Iterator[str]:
    if name in _GIVEN and not all(_PLAIN.fullmatch(each) for each in values if each):
        yield f"{name.upper()} holds a space or a letter that no such key has: copy it again"
    elif not all(each.isprintable() for each in values):
        yield f"{name.upper()} holds an invisible character, such as a byte order mark: write it again"
