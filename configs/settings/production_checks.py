"""Start-up checks of production: it refuses secrets that are missing, short, or the sandbox's."""

import os
import re
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, get_args
from urllib.parse import parse_qs, unquote, urlsplit

from dotenv import dotenv_values
from pydantic import SecretStr

from configs.ground.addresses import is_french_mobile, is_loopback
from configs.settings.common import DatabaseProgram
from configs.settings.groups import MAIL_PROVIDERS, LegalNames
from configs.settings.program_settings import NEEDED, folder_in_use, list_needed, list_secrets
from configs.settings.value_types import StorePlace, read_store, split_words

if TYPE_CHECKING:
    from configs.settings import Settings

SANDBOX_MARK = "sandbox-"
VARIETY = 6  # different characters that even 16 random hexadecimal digits have
BCRYPT_COST = 12
STRIPE_LIVE_KEYS = ("sk_live_", "rk_live_")
_OWN = ("jwt_secret", "link_key", "data_keys", "lookup_key")  # keys that we draw, each for one purpose
_ALONE = ("jwt_secret_previous", "db_password", "redis_password")  # a comma is a letter of it
# Bytes that each value of a key has at least: of our own, and of others.
OWN_BYTES, GIVEN_BYTES = 32, 16
LEAST_BYTES = {
    **dict.fromkeys((*_OWN, "jwt_secret_previous"), OWN_BYTES),
    **dict.fromkeys(
        (
            "oidc_client_secret",
            "sendgrid_api_key",
            "twilio_auth_token",
            "telegram_bot_token",
            "telegram_webhook_secret",
            "stripe_secret_key",
            "stripe_webhook_secret",
            "scrapyd_password",
            "db_password",
            "redis_password",
        ),
        GIVEN_BYTES,
    ),
}
# Addresses whose password is a key.
DATABASES = ("database_url", *(f"database_url_{program}" for program in get_args(DatabaseProgram)))
ADDRESSES = (*DATABASES, "redis_url", "smtp_url")
# Also phone numbers that Arcep keeps for fiction, and a SIREN of zeros; without spaces, dots and dashes.
_SAMPLE = re.compile(
    r"(?i)ex[ae]mple|(?<!\d)(?:(?:\+33|0)(?:19900|26191|35301|46571|53649|63998)\d{4}|0{9})(?!\d)"
)
_COMMON = ("changeme", "secret", "password", "example", "default")


def _text(settings: "Settings", name: str) -> str | None:
    """Return the text of a setting, also of a secret one."""
    value = getattr(settings, name, None)  # `proofs` has no login to the database
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


def sandbox_values(settings: "Settings") -> list[str]:
    """Name each variable that holds a value made for the sandbox."""
    values = {name: _text(settings, name) or "" for name in type(settings).model_fields}
    paths = {name for name in values if isinstance(getattr(settings, name), Path)}
    found = [
        f"{name.upper()} holds a sandbox value, which works only with APP_ENV=sandbox"
        for name, value in values.items()
        if SANDBOX_MARK in value and name not in paths
    ]
    return found + [
        f"{name.upper()} works only with APP_ENV=sandbox or test"
        for name in ("sandbox_hosts", "test_periods", "clock_offset_file")
        if getattr(settings, name)
    ]


def far_server(settings: "Settings") -> list[str]:
    """Name each store that lies elsewhere, and a Sentry that does: outside production nothing leaves loopback."""
    far = ["SENTRY_DSN leaves this machine: name a Sentry on loopback, or leave it empty"]
    issuer = urlsplit(_text(settings, "oidc_issuer") or "http://localhost").hostname or ""
    found = far if not is_near_sentry(settings) else []
    if not is_loopback(issuer):
        found.append("OIDC_ISSUER leaves this machine: name a provider on loopback, or leave it empty")
    return found + [
        f"{name.upper()} leaves this machine: name a folder, or a server on loopback (?endpoint=http://127.0.0.1:…)"
        for name in ("proofs_url", "exports_url", "invoices_url", "backup_url")
        if (text := _text(settings, name)) and not _is_near(read_store(text))
    ]


def _is_near(place: StorePlace) -> bool:
    is_folder = urlsplit(place.url).scheme in ("", "file")
    return is_folder or is_loopback(urlsplit(place.endpoint or "").hostname or "")


def is_near_sentry(settings: "Settings") -> bool:
    """Tell whether error reports stay on this machine, or there are none."""
    dsn = _text(settings, "sentry_dsn")
    return dsn is None or is_loopback(urlsplit(dsn).hostname or "")


def problems_in_production(settings: "Settings") -> list[str]:
    """Name everything that production must not start with."""
    return [
        *_exposed(settings),
        *_missing(settings),
        *_weak(settings),
        *_shared(settings),
        *_foreign(settings),
        *_invented(settings),
        *_unlawful(settings),
        *_plain(settings),
        *_unverified(settings),
    ]


def _exposed(settings: "Settings") -> Iterator[str]:
    """Name each secret in the environment: who may list processes or read a crash report has it."""
    written = (*dotenv_values(".env").items(), *os.environ.items())
    given = {name.lower() for name, value in written if value}
    # redis_url_api …: files of the server alone, which a program has one of, as redis_url
    of_server = [name for name in given if name.startswith("redis_url_")]
    for name in (*list_secrets(type(settings).model_fields), *of_server):
        if name in given:
            yield (
                f"{name.upper()} is in the environment: take it out of there and write it into its file, because"
                " production reads secrets from files of SECRETS_DIR alone"
            )


def _missing(settings: "Settings") -> Iterator[str]:
    folder, secrets = folder_in_use(settings.secrets_dir), list_secrets(type(settings).model_fields)
    own = f"database_url_{settings.program}"
    for name in _list_needed(settings):
        # The login of a program is in a file of its own; what is run by hand may have the owner's
        asked = own if name == "database_url" and folder and own in secrets else name
        if not any(split_words(_text(settings, each) or "") for each in (name, asked)):
            where = f": write it into {folder / asked}" if folder and asked in secrets else ""
            yield f"{asked.upper()} is not set{where}"


def _list_needed(settings: "Settings") -> list[str]:
    """Return what the program needs; of the providers of mail only those that are in use."""
    needed, of_mail = list_needed(settings.program), set(MAIL_PROVIDERS.values())
    if "sendgrid" not in settings.mail_providers:
        needed = tuple(name for name in needed if name != "sendgrid_webhook_key")
    if not of_mail.intersection(needed):
        return list(needed)
    used = [MAIL_PROVIDERS[name] for name in settings.mail_providers]
    return [*(name for name in needed if name not in of_mail), *used]


def _weak(settings: "Settings") -> Iterator[str]:
    for name, least in LEAST_BYTES.items():
        text = _text(settings, name) or ""
        for secret in [text] if name in _ALONE and text else split_words(text):
            yield from _weakness(name.upper(), secret, least)
    for name in ADDRESSES:
        if (password := read_password(_text(settings, name))) is not None:
            yield from _weakness(f"the password in {name.upper()}", password, GIVEN_BYTES)
    if not (_text(settings, "stripe_secret_key") or STRIPE_LIVE_KEYS[0]).startswith(STRIPE_LIVE_KEYS):
        yield "STRIPE_SECRET_KEY is no live key: everybody could pay with a test card"
    if settings.bcrypt_cost < BCRYPT_COST:
        yield f"BCRYPT_COST is below {BCRYPT_COST}"


def _shared(settings: "Settings") -> Iterator[str]:
    """Name keys that have a value of another one: the programs that hold the one must not hold the other."""
    found = {name: set(split_words(_text(settings, name) or "")) for name in _OWN}
    found["jwt_secret"] |= set(split_words(_text(settings, "jwt_secret_previous") or ""))
    for name, other in combinations(_OWN, 2):
        if found[name] & found[other]:
            yield f"{other.upper()} has a value of {name.upper()}: draw one of its own"


def _foreign(settings: "Settings") -> Iterator[str]:
    """Name an address with the login of another program, which may do other things."""
    for name in (f"database_url_{settings.program}", "redis_url") if settings.program else ():
        user = urlsplit(_text(settings, name) or "").username or ""
        for other in NEEDED.keys() - {settings.program}:
            if re.fullmatch(rf"(rdvpriority_)?{other}(_\d+)?", user):
                yield f"{name.upper()} has the login of {other}: give {settings.program} its own"


def _weakness(what: str, secret: str, least: int) -> Iterator[str]:
    if len(secret.encode()) < least:
        yield f"{what} is shorter than {least} bytes: draw it at random"
    elif len(set(secret)) < VARIETY or secret.lower().startswith(_COMMON):
        yield f"{what} can be guessed: draw it at random"


def _invented(settings: "Settings") -> Iterator[str]:
    for name in LegalNames.model_fields:
        if _SAMPLE.search(re.sub(r"[ .-]", "", _text(settings, name) or "")):
            yield f"{name.upper()} is a sample: the law wants the real one"


def _unlawful(settings: "Settings") -> Iterator[str]:
    # Automatic systems may not send from mobile numbers: CPCE L.44 (docs/legal.md).
    if settings.twilio_phone_number and is_french_mobile(settings.twilio_phone_number):
        yield (
            "TWILIO_PHONE_NUMBER is a French mobile number, which automatic systems may not send from:"
            " take a name, a short code or a messaging service (MG…)"
        )


def _plain(settings: "Settings") -> Iterator[str]:
    addresses = {f"STAND_INS: {name}": address for name, address in settings.stand_ins.items()}
    if "api_url" in list_needed(settings.program):  # others write no links
        links = {"LIVE_URL": settings.live_url, "FRONTEND_URL": settings.frontend_url}
        # the default of both is API_URL, which is named once
        addresses |= {name: address for name, address in links.items() if address != settings.api_url}
        addresses["API_URL"] = settings.api_url
    if issuer := _text(settings, "oidc_issuer"):
        addresses["OIDC_ISSUER"] = issuer
    if not is_near_sentry(settings):
        addresses["SENTRY_DSN"] = _text(settings, "sentry_dsn") or ""
    for name, address in addresses.items():
        if not address.startswith("https://"):
            yield f"{name} is not https"


def _unverified(settings: "Settings") -> Iterator[str]:
    """Name each address of a database elsewhere that lacks `sslmode=verify-full`.

    A name without a dot is a service in Compose's internal network, which is on this host.
    https://www.postgresql.org/docs/18/libpq-ssl.html
    """
    for name in DATABASES:
        if _is_unverified(_text(settings, name) or ""):
            yield (
                f"{name.upper()} leaves this machine without sslmode=verify-full:"
                " add ?sslmode=verify-full&sslrootcert=FILE, the authority's certificate"
            )


def _is_unverified(address: str) -> bool:
    try:
        parts = urlsplit(address)
        options = parse_qs(parts.query)
        host = options.get("host", [parts.hostname or ""])[-1]
    except ValueError:
        return False  # an address that cannot be read is refused for that
    is_here = host.startswith("/") or is_loopback(host) or not set(host) & {".", ":"}
    return not is_here and options.get("sslmode") != ["verify-full"]
