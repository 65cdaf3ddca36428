"""Settings of each program: what it needs in production, which secrets it may be given, and their files.

A program holds no secret that it does not read. Compose hands out these, and a local stack withholds all
others; tests compare the lists. As Docker hands secrets out (/run/secrets), there is one file per variable. A file's
name is its variable's, in either case. Files of other names belong to other programs and are left unread.
"""

import re
from collections.abc import Mapping
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
        "oidc_client_secret",
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
DEFAULT_FOLDER = Path("/run/secrets")


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


def folder_in_use(named: str | Path | None) -> Path | None:
    """Return the folder that secrets are read from: `named`, else DEFAULT_FOLDER where it exists."""
    return Path(named) if named else DEFAULT_FOLDER if DEFAULT_FOLDER.is_dir() else None
