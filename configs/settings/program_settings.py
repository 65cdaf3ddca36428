"""Settings of each program: what it needs in production, which secrets it may be given, and their files.

A program holds no secret that it does not read. Compose hands out these, and a local stack withholds all
others; tests compare the lists. As Docker hands secrets out (/run/secrets), there is one file per variable. A file's
name is its variable's, in either case. Files of other names belong to other programs and are left unread.
"""

import os
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path

from pydantic.fields import FieldInfo

_SERVERS = ("database_url", "redis_url")
# Names in the terms of sale, which the mail that confirms an order contains, and on invoices.
_SELLER = (
    "support_email",
    "seller_name",
    "seller_address",
    "seller_phone",
    "seller_siren",
    "seller_registration",
    "mediator",
)

NEEDED: Mapping[str, tuple[str, ...]] = {
    "api": (
        *_SERVERS,
        "proxy_hops",
        "api_url",
        "jwt_secret",
        "link_key",
        "data_keys",
        "lookup_key",
        "stripe_secret_key",
        "stripe_webhook_secret",
        "sendgrid_webhook_key",
        "twilio_account_sid",
        "twilio_auth_token",  # signs receipts
        "telegram_bot_name",
        "telegram_webhook_secret",
        *_SELLER,
        "publisher",
        "host_company",
        "backup_url",  # a migration asks for a dump where there is one
    ),
    # It sends the mail that confirms an order itself, before any alert leaves, and exports phone numbers readably.
    "background": (
        *_SERVERS,
        "api_url",
        "link_key",
        "data_keys",
        "stripe_secret_key",
        "sendgrid_api_key",
        *_SELLER,
        "backup_url",  # the alarm of a backup that is old, or never was
    ),
    "backup": ("database_url", "backup_url", "backup_recipients"),
    "crawler": (*_SERVERS, "scrapyd_password"),
    "notifier": (
        *_SERVERS,
        "api_url",
        "link_key",
        "data_keys",
        "lookup_key",
        "sendgrid_api_key",
        "twilio_account_sid",
        "twilio_auth_token",
        "twilio_phone_number",
        "telegram_bot_token",
        *_SELLER,
    ),
    "proofs": ("redis_url",),
    "reader": ("database_url",),
    "stream": (*_SERVERS, "proxy_hops", "api_url", "jwt_secret"),
}
# Where errors are reported to: the key in it lets others send reports too.
_OF_ALL = ("sentry_dsn",)
# Secrets that a program reads where they are set.
_OPTIONAL: Mapping[str, tuple[str, ...]] = {
    "api": (
        "exports_secret_access_key",
        "invoices_secret_access_key",
        "jwt_secret_previous",
        "proofs_secret_access_key",
    ),
    "background": ("exports_secret_access_key", "invoices_secret_access_key", "smtp_url"),
    "backup": ("backup_secret_access_key", "proofs_secret_access_key"),
    "crawler": ("ants_token", "proxy_list"),
    "proofs": ("proofs_secret_access_key",),
    "reader": ("redis_url",),  # the exporter of metrics
    "stream": ("jwt_secret_previous",),
    "notifier": ("smtp_url", "telegram_webhook_secret", "vapid_private_key"),  # it registers the webhook
}


def list_needed(program: str | None) -> tuple[str, ...]:
    """Return the settings that production needs; without a program those of all programs."""
    if program is not None:
        return NEEDED[program]
    return tuple(dict.fromkeys(name for names in NEEDED.values() for name in names))


def list_allowed(program: str) -> frozenset[str]:
    """Return the settings among which all secrets of a program are."""
    return frozenset({*NEEDED[program], *_OPTIONAL.get(program, ()), *_OF_ALL, f"database_url_{program}"})


def list_secrets(fields: Mapping[str, FieldInfo]) -> list[str]:
    """Return the names of the settings that hold a secret; the addresses of proxies have passwords."""
    return [name for name, field in fields.items() if re.search("SecretStr|Proxy", str(field.annotation))]


_ALIKE = 0.85  # of 1; one exchanged pair of letters in seven is more
_SHORTEST = 6  # letters; below, words of others are alike by chance


def describe_misspelt(settings: Iterable[str]) -> Iterator[str]:
    """Return a line for each such variable; `settings` are their names in any case."""
    known = {name.upper() for name in settings}
    for name in sorted({name.upper() for name in os.environ} - known):
        if len(name) >= _SHORTEST and (close := get_close_matches(name, known, 1, _ALIKE)):
            yield f"{name} is no setting and has no effect: is {close[0]} meant?"


DEFAULT_FOLDER = Path("/run/secrets")
_LARGEST = 64 * 1024  # bytes
# Compose hands out their files always, also where backups lie in a folder, or mail leaves by SMTP alone.
_MAY_BE_EMPTY = ("backup_secret_access_key", "sendgrid_api_key")


def read_secret_files(folder: Path | None, known: Collection[str]) -> tuple[dict[str, str], dict[str, str]]:
    """Return the settings of `known` (in lower case) that the folder has files for, and a line for each wrong file.

    Without a folder, DEFAULT_FOLDER is read where it exists. A line break at a file's end is no part of its secret.
    The keys of some accounts, which not every server has, count as not set where their files are empty.
    """
    values: dict[str, str] = {}
    wrong: dict[str, str] = {}
    used = folder_in_use(folder)
    try:
        files = sorted(used.iterdir()) if used else []
    except OSError as error:
        why = f"cannot be read ({error.strerror}): name a folder with a file per secret"
        return {}, {"secrets_dir": f"SECRETS_DIR: {used} {why}"}
    for file in files:
        name = file.name.lower()
        if name in known and not (name in _MAY_BE_EMPTY and is_empty(file)):
            try:
                values[name] = _read_secret(file)
            except ValueError as error:
                wrong[name] = f"{name.upper()}: {error}"
    return values, wrong


def folder_in_use(named: Path | None) -> Path | None:
    """Return the folder that secrets are read from: `named`, else DEFAULT_FOLDER where it exists."""
    return named or (DEFAULT_FOLDER if DEFAULT_FOLDER.is_dir() else None)


def is_empty(file: Path) -> bool:
    """Return whether a file is there and holds nothing but, at most, a line break."""
    return file.is_file() and file.stat().st_size <= len("\r\n")


def _read_secret(file: Path) -> str:
    """Return a file's secret.

    Raises:
        ValueError: it holds none; the text says what to do.
    """
    if file.is_dir():  # Docker makes one where the file of a secret is missing
        raise ValueError(f"{file} is a folder: its file was missing when the container was made; write it")
    try:
        with file.open("rb") as opened:
            content = opened.read(_LARGEST + 1)
        text = content.decode("utf-8").removesuffix("\n").removesuffix("\r")
    except OSError as error:
        raise ValueError(f"{file} cannot be read ({error.strerror}): give this user the right to") from None
    except UnicodeDecodeError:
        raise ValueError(f"{file} is not UTF-8: write the secret as text") from None
    if not text.strip():
        raise ValueError(f"{file} is empty: write the secret into it, or remove it")
    if len(content) > _LARGEST or "\0" in text or "\n" in text:
        raise ValueError(f"{file} holds more than one line of text: write the secret alone")
    return text
