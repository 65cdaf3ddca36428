"""The product's keys: which settings hold one, the values that each has, and what cannot be a key."""

import hashlib
import re
from collections.abc import Iterator
from datetime import timedelta
from functools import lru_cache
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from pydantic import SecretStr

if TYPE_CHECKING:
    from configs.settings import Settings

ROTATE_AFTER = timedelta(days=365)  # the age that docs/keys.md recommends to replace every key at
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
ADDRESSES = (
    "database_url",
    "database_url_api",
    "database_url_background",
    "database_url_backup",
    "database_url_crawler",
    "database_url_notifier",
    "database_url_reader",
    "database_url_stream",
    "redis_url",
    "smtp_url",
)
_COST = 1 << 14  # 16 MB and some 40 ms
_PLAIN = re.compile(r"[!-~]+")


def read_keys(current: "Settings") -> dict[str, tuple[str, ...]]:
    """Return the values of each key that is set, by its setting; the first value is the one in use."""
    texts = {name: text for name in KEYS if (text := read_text(current, name))}
    found = {name: _split(text) if name in SEVERAL else (text,) for name, text in texts.items()}
    if previous := read_text(current, "jwt_secret_previous"):
        found["jwt_secret"] = (*found.get("jwt_secret", ()), previous)
    passwords = {name: read_password(read_text(current, name)) for name in ADDRESSES}
    return found | {name: (password,) for name, password in passwords.items() if password}


@lru_cache(maxsize=64)
def fingerprint_key(name: str, value: str) -> str:
    """Return the fingerprint of a value of a key, by which a table remembers it: eight hexadecimal digits.

    A fast hash would let a reader of a dump try out guesses of a password that a person chose. Scrypt makes each guess
    as slow as one at a user's password, and 32 bits fit many guesses. It needs no key: few programs hold one.
    https://www.rfc-editor.org/rfc/rfc7914
    """
    salt = f"rdvpriority.key.{name}".encode()
    return hashlib.scrypt(value.encode(), salt=salt, n=_COST, r=8, p=1, dklen=4).hex()


def find_key_problems(current: "Settings") -> Iterator[str]:
    """Name each key that cannot work, whatever the APP_ENV, and what to do."""
    for name in (*KEYS, "jwt_secret_previous"):
        if text := read_text(current, name):
            values = [each.strip() for each in text.split(",")] if name in SEVERAL else [text]
            yield from _find_list_problems(name.upper(), values)
            yield from _find_letter_problems(name, values)
    previous = read_text(current, "jwt_secret_previous")
    if previous and previous in _split(read_text(current, "jwt_secret") or ""):
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


def _split(text: str) -> tuple[str, ...]:
    return tuple(value for each in text.split(",") if (value := each.strip()))


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
