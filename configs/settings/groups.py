"""Settings of the providers, of the API and billing, and of the stores of files."""

from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal, InvalidOperation
from types import MappingProxyType
from typing import Annotated
from urllib.parse import unquote, urlsplit

from pydantic import AfterValidator, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, NoDecode

from configs.ground.contact_addresses import call_sender, email_address, parse_countries, sender, sms_sender
from configs.ground.push_subscriptions import check_public_key, parse_push_hosts, read_private_key
from configs.settings.value_types import (
    Seconds,
    Span,
    StoreAddress,
    WebAddress,
    checked,
    from_text,
    like,
    read_address,
    split_words,
)

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


ADDRESSES = {
    "sendgrid": "https://api.sendgrid.com",
    "stripe": "https://api.stripe.com",
    "telegram": "https://api.telegram.org",
    "telegram_link": "https://t.me",  # where links to the bot begin
    "twilio": "https://api.twilio.com",
    "twilio_calls": "https://api.twilio.com",
}


def parse_stand_ins(text: str) -> dict[str, str]:
    """Read `stripe=http://127.79.0.4:8801,…` into {provider: address without a slash at its end}.

    Raises:
        ValueError: an entry names no provider, or no address of the web.
    """
    return dict(map(_parse_pair, split_words(text)))


def _parse_pair(entry: str) -> tuple[str, str]:
    name, _, address = entry.partition("=")
    if name not in ADDRESSES:
        raise ValueError(f"names no provider ({', '.join(ADDRESSES)}): {name!r}")
    try:
        return name, read_address(address)
    except ValidationError:
        raise ValueError(f"gives {name} no address that begins with http:// or https://") from None


OTHER = ""  # the key of the price of all countries that have none of their own
_HIGHEST = Decimal(10)  # EUR a segment: more is a slip, and a sum of it would not fit its column
DEFAULT = MappingProxyType({OTHER: Decimal("0.08")})
DEFAULT_CALL = MappingProxyType({OTHER: Decimal("0.15")})  # EUR a minute to a mobile number


def parse_sms_prices(text: str) -> dict[str, Decimal]:
    """Read prices with commas between them: `BE=0.10` of a country, `0.08` alone of all others.

    Raises:
        ValueError: it names no country, a price that is none, or no price of all others.
    """
    prices: dict[str, Decimal] = {}
    for entry in split_words(text):
        country, _, price = entry.rpartition("=")
        codes = parse_countries(country) or {OTHER}
        prices |= dict.fromkeys(codes, _parse_price(price.strip()))
    if prices and OTHER not in prices:
        raise ValueError("has no price of all other countries: write 0.08,BE=0.10")
    return prices or dict(DEFAULT)


def _parse_price(text: str) -> Decimal:
    try:
        price = Decimal(text)
    except InvalidOperation:
        raise ValueError(f"{text!r} is no price: write 0.08,BE=0.10, in EUR a segment") from None
    if not (price.is_finite() and 0 <= price <= _HIGHEST):
        raise ValueError(f"{text!r} is no price of a segment: it lies between 0 and {_HIGHEST} EUR")
    return price


# One or several public keys of P-256 (DER, base64), with commas between them.
_EVENT_KEYS = r"^MFkwEw[\w+/]+={0,2}( *, *MFkwEw[\w+/]+={0,2})*$"
_Prices = Annotated[dict[str, Decimal], NoDecode, from_text(parse_sms_prices)]


# https://core.telegram.org/bots/api#setwebhook
_WebhookSecrets = Annotated[
    SecretStr,
    like(
        r"[\w-]{1,256}(,[\w-]{1,256})*",
        "Telegram takes letters, digits, _ and - in a secret; put commas between several",
    ),
]


class SendingSettings(BaseSettings):
    """Providers, rates, caps and costs."""

    # Providers
    stand_ins: Annotated[dict[str, str], NoDecode, from_text(parse_stand_ins)] = Field(default_factory=dict)
    sendgrid_api_key: SecretStr | None = None
    sendgrid_webhook_key: str | None = Field(None, pattern=_EVENT_KEYS)
    email_from: Annotated[str, AfterValidator(sender)] = "RDVPriority <alerte@rdvpriority.fr>"
    mail_providers: Annotated[tuple[str, ...], NoDecode, from_text(parse_mail_providers)] = ("sendgrid",)
    smtp_url: Annotated[SecretStr, checked(parse_mail_server)] | None = None
    twilio_account_sid: str | None = None
    twilio_auth_token: SecretStr | None = None
    twilio_phone_number: Annotated[str, AfterValidator(sms_sender)] | None = None
    twilio_voice_number: Annotated[str, AfterValidator(call_sender)] | None = None
    telegram_bot_token: SecretStr | None = None
    telegram_webhook_url: WebAddress | None = None
    telegram_webhook_secret: _WebhookSecrets | None = None
    telegram_bot_name: str | None = Field(None, pattern=r"^[A-Za-z]\w{4,31}$")
    vapid_private_key: Annotated[SecretStr, checked(read_private_key)] | None = None
    vapid_public_key: Annotated[str, AfterValidator(check_public_key)] | None = None
    push_hosts: Annotated[tuple[str, ...], NoDecode, from_text(parse_push_hosts)] = (
        "fcm.googleapis.com",
        "*.push.services.mozilla.com",
        "*.push.apple.com",
        "*.notify.windows.com",
    )

    # Tell
    sms_countries: Annotated[frozenset[str], NoDecode, from_text(parse_countries)] = frozenset()
    sms_price: _Prices = Field(default_factory=lambda: dict(DEFAULT))
    call_price: _Prices = Field(default_factory=lambda: dict(DEFAULT_CALL))
    sms_day_warn: Decimal = Field(Decimal(50), gt=0)
    sms_day_stop: Decimal = Field(Decimal(100), gt=0)

    def address_of(self, provider: str) -> str:
        """Return where a provider, or its stand-in, is asked: an address without a slash at its end."""
        return self.stand_ins.get(provider, ADDRESSES[provider])


class ServingSettings(BaseSettings):
    """What the API serves, to whom, and Stripe."""

    # API
    port: int = Field(4000, ge=1, le=65535)
    proxy_hops: int | None = Field(None, ge=0, le=5)
    api_url: WebAddress = "http://localhost:4000"
    frontend_url: WebAddress = Field(default_factory=lambda known: str(known["api_url"]))
    live_url: WebAddress = Field(default_factory=lambda known: str(known["api_url"]))
    jwt_secret: SecretStr | None = None
    link_key: SecretStr | None = None
    data_keys: SecretStr | None = None
    lookup_key: SecretStr | None = None
    jwt_secret_previous: SecretStr | None = None
    jwt_expires_in: Span = timedelta(days=7)
    access_token_seconds: Seconds = 900
    bcrypt_cost: int = Field(12, ge=4, le=16)
    heartbeat_url: WebAddress | None = None
    support_email: Annotated[str, AfterValidator(email_address)] | None = None

    # Billing (read by the billing programs)
    stripe_secret_key: SecretStr | None = None
    stripe_webhook_secret: SecretStr | None = None
    stripe_price_24h: str | None = None
    stripe_price_7j: str | None = None
    stripe_price_total: str | None = None
    stripe_payment_methods: Annotated[tuple[str, ...], NoDecode, from_text(split_words)] = ("card", "paypal")
    stripe_promotion_codes: bool = False


_RECIPIENT = r"\s*age1[02-9ac-hj-np-z]{58}\s*"
_Recipients = Annotated[
    str,
    like(
        f"{_RECIPIENT}(,{_RECIPIENT})*",
        "holds no public keys of age, age1… with commas between them: `python -m deploy.backup key` makes one",
    ),
]


class StoreSettings(BaseSettings):
    """A folder or a bucket for each kind of file."""

    # Proofs
    proofs_url: StoreAddress | None = None
    proofs_access_key_id: str | None = None
    proofs_secret_access_key: SecretStr | None = None

    # Exports of personal data
    exports_url: StoreAddress | None = None
    exports_access_key_id: str | None = None
    exports_secret_access_key: SecretStr | None = None

    # Files of invoices
    invoices_url: StoreAddress | None = None
    invoices_access_key_id: str | None = None
    invoices_secret_access_key: SecretStr | None = None

    # Backups
    backup_url: StoreAddress | None = None
    backup_recipients: _Recipients | None = None
    backup_access_key_id: str | None = None
    backup_secret_access_key: SecretStr | None = None
    backup_wal_seconds: Seconds = 30
    backup_call_seconds: Seconds = 60
    backup_hour: int = Field(2, ge=0, le=23)
