"""Settings of the API and of billing."""

from datetime import timedelta
from typing import Annotated

from pydantic import AfterValidator, Field, SecretStr
from pydantic_settings import BaseSettings, NoDecode

from configs.ground.contact_addresses import email_address
from configs.settings.value_types import Seconds, Span, WebAddress, from_text, split_words


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
