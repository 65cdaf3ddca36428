"""Settings of the providers, and of what is sent at which rate and price."""

import re
from decimal import Decimal
from typing import Annotated

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, NoDecode

from configs.ground.contact_addresses import call_sender, parse_countries, sender, sms_sender
from configs.ground.push_subscriptions import parse_push_hosts
from configs.settings.mail_server import parse_mail_providers, parse_mail_server
from configs.settings.provider_addresses import ADDRESSES, parse_stand_ins
from configs.settings.push_keys import check_public_key, read_private_key
from configs.settings.sms_prices import DEFAULT, DEFAULT_CALL, parse_sms_prices
from configs.settings.value_types import WebAddress

# One or several public keys of P-256 (DER, base64), with commas between them.
_EVENT_KEYS = r"^MFkwEw[\w+/]+={0,2}( *, *MFkwEw[\w+/]+={0,2})*$"


class SendingSettings(BaseSettings):
    """Providers, rates, caps and costs."""

    # Providers
    stand_ins: Annotated[dict[str, str], NoDecode] = Field(default_factory=dict)
    sendgrid_api_key: SecretStr | None = None
    sendgrid_webhook_key: str | None = Field(None, pattern=_EVENT_KEYS)
    email_from: str = "RDVPriority <alerte@rdvpriority.fr>"
    mail_providers: Annotated[tuple[str, ...], NoDecode] = ("sendgrid",)
    smtp_url: SecretStr | None = None
    twilio_account_sid: str | None = None
    twilio_auth_token: SecretStr | None = None
    twilio_phone_number: str | None = None
    twilio_voice_number: str | None = None
    telegram_bot_token: SecretStr | None = None
    telegram_webhook_url: WebAddress | None = None
    telegram_webhook_secret: SecretStr | None = None
    telegram_bot_name: str | None = Field(None, pattern=r"^[A-Za-z]\w{4,31}$")
    vapid_private_key: SecretStr | None = None
    vapid_public_key: str | None = None
    push_hosts: Annotated[tuple[str, ...], NoDecode] = (
        "fcm.googleapis.com",
        "*.push.services.mozilla.com",
        "*.push.apple.com",
        "*.notify.windows.com",
    )

    # Tell
    sms_countries: Annotated[frozenset[str], NoDecode] = frozenset()
    sms_price: Annotated[dict[str, Decimal], NoDecode] = Field(default_factory=lambda: dict(DEFAULT))
    call_price: Annotated[dict[str, Decimal], NoDecode] = Field(default_factory=lambda: dict(DEFAULT_CALL))
    sms_day_warn: Decimal = Field(Decimal(50), gt=0)
    sms_day_stop: Decimal = Field(Decimal(100), gt=0)

    @field_validator("stand_ins", mode="before")
    @classmethod
    def _stand_ins(cls, value: object) -> object:
        return parse_stand_ins(value) if isinstance(value, str) else value

    @field_validator("email_from")
    @classmethod
    def _sender(cls, value: str) -> str:
        return sender(value)

    @field_validator("mail_providers", mode="before")
    @classmethod
    def _mail_providers(cls, value: object) -> object:
        return parse_mail_providers(value) if isinstance(value, str) else value

    @field_validator("smtp_url")
    @classmethod
    def _mail_server(cls, value: SecretStr | None) -> SecretStr | None:
        if value:
            parse_mail_server(value.get_secret_value())
        return value

    @field_validator("vapid_private_key")
    @classmethod
    def _vapid_private_key(cls, value: SecretStr | None) -> SecretStr | None:
        if value:
            read_private_key(value.get_secret_value())
        return value

    @field_validator("vapid_public_key")
    @classmethod
    def _vapid_public_key(cls, value: str | None) -> str | None:
        return check_public_key(value) if value else None

    @field_validator("push_hosts", mode="before")
    @classmethod
    def _push_hosts(cls, value: object) -> object:
        return parse_push_hosts(value) if isinstance(value, str) else value

    @field_validator("telegram_webhook_secret")
    @classmethod
    def _webhook_secrets(cls, value: SecretStr | None) -> SecretStr | None:
        # https://core.telegram.org/bots/api#setwebhook
        if value and not re.fullmatch(r"[\w-]{1,256}(,[\w-]{1,256})*", value.get_secret_value(), re.ASCII):
            raise ValueError(
                "Telegram takes letters, digits, _ and - in a secret; put commas between several"
            )
        return value

    @field_validator("sms_countries", mode="before")
    @classmethod
    def _countries(cls, value: object) -> object:
        return parse_countries(value) if isinstance(value, str) else value

    @field_validator("sms_price", "call_price", mode="before")
    @classmethod
    def _sms_prices(cls, value: object) -> object:
        return parse_sms_prices(value) if isinstance(value, str) else value

    @field_validator("twilio_phone_number")
    @classmethod
    def _sms_sender(cls, value: str | None) -> str | None:
        return sms_sender(value) if value else value

    @field_validator("twilio_voice_number")
    @classmethod
    def _call_sender(cls, value: str | None) -> str | None:
        return call_sender(value) if value else None

    def address_of(self, provider: str) -> str:
        """Return where a provider, or its stand-in, is asked: an address without a slash at its end."""
        return self.stand_ins.get(provider, ADDRESSES[provider])
