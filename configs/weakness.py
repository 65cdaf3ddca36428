"""What makes production refuse to start: secrets that are missing, short, or of the sandbox."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from pydantic import SecretStr

if TYPE_CHECKING:
    from configs.settings import Settings

SANDBOX_MARK = "sandbox-"
MINIMUM = 16
BYTES_OF_JWT_SECRET = 32
BCRYPT_COST = 12
_NEEDED = (
    "database_url",
    "redis_url",
    "jwt_secret",
    "stripe_secret_key",
    "stripe_webhook_secret",
    "sendgrid_api_key",
    "twilio_account_sid",
    "twilio_auth_token",
    "twilio_phone_number",
    "telegram_bot_token",
    "scrapyd_password",
)
_STRONG = {
    "jwt_secret": BYTES_OF_JWT_SECRET,
    "scrapyd_password": MINIMUM,
    "db_password": MINIMUM,
    "redis_password": MINIMUM,
}
_HTTPS = ("api_url", "frontend_url", "sendgrid_base_url", "twilio_base_url", "telegram_base_url")
_COMMON = ("changeme", "secret", "password", "example", "default")


def _text(settings: "Settings", name: str) -> str | None:
    value = getattr(settings, name)
    if value is None:
        return None
    return value.get_secret_value() if isinstance(value, SecretStr) else str(value)


def sandbox_values(settings: "Settings") -> list[str]:
    """Name each variable that holds a value made for the sandbox."""
    names = (name for name in type(settings).model_fields if SANDBOX_MARK in (_text(settings, name) or ""))
    found = [f"{name.upper()} holds a sandbox value, which works only with APP_ENV=sandbox" for name in names]
    if settings.sandbox_hosts:
        found.append("SANDBOX_HOSTS works only with APP_ENV=sandbox")
    return found


def problems_in_production(settings: "Settings") -> list[str]:
    """Name everything that production must not start with."""
    return [*_missing(settings), *_weak(settings), *_plain(settings)]


def _missing(settings: "Settings") -> Iterator[str]:
    for name in _NEEDED:
        if not _text(settings, name):
            yield f"{name.upper()} is not set"


def _weak(settings: "Settings") -> Iterator[str]:
    for name, least in _STRONG.items():
        value = _text(settings, name)
        if value is None:
            continue
        if len(value.encode()) < least:
            yield f"{name.upper()} is shorter than {least} bytes"
        elif len(set(value)) < MINIMUM // 2 or any(value.lower().startswith(word) for word in _COMMON):
            yield f"{name.upper()} can be guessed: draw it at random"
    if settings.bcrypt_cost < BCRYPT_COST:
        yield f"BCRYPT_COST is below {BCRYPT_COST}"


def _plain(settings: "Settings") -> Iterator[str]:
    for name in _HTTPS:
        if not (_text(settings, name) or "").startswith("https://"):
            yield f"{name.upper()} is not https"
