"""Settings of the providers, of the API and billing, and of the stores of files."""

import re
from datetime import timedelta
from decimal import Decimal
from typing import Annotated

from pydantic import AfterValidator, Field, SecretStr
from pydantic_settings import BaseSettings, NoDecode

from configs.ground.contact_addresses import call_sender, email_address, parse_countries, sender, sms_sender
from configs.ground.push_subscriptions import parse_push_hosts
from configs.settings.mail_server import parse_mail_providers, parse_mail_server
from configs.settings.provider_addresses import ADDRESSES, parse_stand_ins
from configs.settings.push_keys import check_public_key, read_private_key
from configs.settings.sms_prices import DEFAULT, DEFAULT_CALL, parse_sms_prices
from configs.settings.value_types import (
    Seconds,
    Span,
    StoreAddress,
    WebAddress,
    from_text,
    secret,
    split_words,
)

# One or several public keys of P-256 (DER, base64), with commas between them.
_EVENT_KEYS = r"^MFkwEw[\w+/]+={0,2}( *, *MFkwEw[\w+/]+={0,2})*$"
_Prices = Annotated[dict[str, Decimal], NoDecode, from_text(parse_sms_prices)]


def _check_webhook_secrets(text: str) -> None:
    # https://core.telegram.org/bots/api#setwebhook
    if not re.fullmatch(r"[\w-]{1,256}(,[\w-]{1,256})*", text, re.ASCII):
        raise ValueError("Telegram takes letters, digits, _ and - in a secret; put commas between several")


class SendingSettings(BaseSettings):
    """Providers, rates, caps and costs."""

    # Providers
    stand_ins: Annotated[dict[str, str], NoDecode, from_text(parse_stand_ins)] = Field(default_factory=dict)
    sendgrid_api_key: SecretStr | None = None
    sendgrid_webhook_key: str | None = Field(None, pattern=_EVENT_KEYS)
    email_from: Annotated[str, AfterValidator(sender)] = "RDVPriority <alerte@rdvpriority.fr>"
    mail_providers: Annotated[tuple[str, ...], NoDecode, from_text(parse_mail_providers)] = ("sendgrid",)
    smtp_url: Annotated[SecretStr, secret(parse_mail_server)] | None = None
    twilio_account_sid: str | None = None
    twilio_auth_token: SecretStr | None = None
    twilio_phone_number: Annotated[str, AfterValidator(sms_sender)] | None = None
    twilio_voice_number: Annotated[str, AfterValidator(call_sender)] | None = None
    telegram_bot_token: SecretStr | None = None
    telegram_webhook_url: WebAddress | None = None
    telegram_webhook_secret: Annotated[SecretStr, secret(_check_webhook_secrets)] | None = None
    telegram_bot_name: str | None = Field(None, pattern=r"^[A-Za-z]\w{4,31}$")
    vapid_private_key: Annotated[SecretStr, secret(read_private_key)] | None = None
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
    password_hashes: int = Field(1, ge=1, le=64)
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


_RECIPIENT = re.compile(r"age1[02-9ac-hj-np-z]{58}")


def _recipients(text: str) -> str:
    for each in text.split(","):
        if not _RECIPIENT.fullmatch(each.strip()):
            raise ValueError(
                "holds no public keys of age, age1… with commas between them: `python -m deploy.backup key` makes one"
            )
    return text


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
    backup_recipients: Annotated[str, AfterValidator(_recipients)] | None = None
    backup_access_key_id: str | None = None
    backup_secret_access_key: SecretStr | None = None
    backup_wal_seconds: Seconds = 30
    backup_call_seconds: Seconds = 60
    backup_hour: int = Field(2, ge=0, le=23)
