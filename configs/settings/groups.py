"""Settings of the crawler, of providers, of the API and billing, of stores, and names that the law asks for."""

import re
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, SecretStr, StringConstraints
from pydantic_settings import BaseSettings, NoDecode

from configs.ground.addresses import (
    call_sender,
    check_ordinary_phone,
    country_code,
    email_address,
    is_loopback,
    sender,
    sms_sender,
)
from configs.ground.push_keys import check_public_key, read_private_key
from configs.settings.common import CommonSettings
from configs.settings.proxies import Proxy, parse_proxies
from configs.settings.value_types import (
    PORT,
    Key,
    Seconds,
    Span,
    StoreAddress,
    WebAddress,
    checked,
    from_text,
    like,
    split_pairs,
    split_words,
)

SCRAPYD_USER = "scrapyd"
_CONFIGS = Path(__file__).parents[1]
PREFECTURES = _CONFIGS / "prefectures"
HOSTS = _CONFIGS / "hosts.yaml"

_ScrapydAddress = Annotated[
    WebAddress, like("http://.*", "scrapyd speaks http only: reach another machine's through a tunnel")
]

# Provider of mail → the setting without which it sends nothing.
MAIL_PROVIDERS = {"sendgrid": "sendgrid_api_key", "smtp": "smtp_url"}
_WORD = r"(?:[\w.~!$&'()*+;=@,:-]|%[0-7][0-9A-Fa-f])+"  # of a login, in ASCII
_MailServer = Annotated[
    SecretStr,
    like(
        rf"(?i:smtps?)://({_WORD}:{_WORD}@)?(\[[0-9A-Fa-f.:]+\]|[\w.-]+)(:{PORT})?/?",
        "is no address of a mail server: write smtps://user:password@host:465, special characters as %XX",
    ),
]
# Webhooks' secrets: https://core.telegram.org/bots/api#setwebhook
_TELEGRAM = like(
    r"[\w-]{1,256}(,[\w-]{1,256})*", "Telegram takes letters, digits, _ and -; split several by ,"
)
_STRIPE = like(r"whsec_[^\s,]+(\s*,\s*whsec_[^\s,]+)*", "Stripe's begin with whsec_")
ADDRESSES = {
    "sendgrid": "https://api.sendgrid.com",
    "stripe": "https://api.stripe.com",
    "telegram": "https://api.telegram.org",
    "telegram_link": "https://t.me",  # where links to the bot begin
    "twilio": "https://api.twilio.com",
    "twilio_calls": "https://api.twilio.com",
}
OTHER = ""  # the key of the price of all countries that have none of their own
# EUR a segment: more is a slip, and a sum of it would not fit its column
_Price = Annotated[Decimal, Field(ge=0, le=10, allow_inf_nan=False)]
_Country = Annotated[str, AfterValidator(country_code)]
_StandIns = Annotated[
    dict[
        Annotated[str, like("|".join(ADDRESSES), f"names no provider ({', '.join(ADDRESSES)})")], WebAddress
    ],
    NoDecode,
    from_text(split_pairs),
]
_PushHost = Annotated[
    str,
    StringConstraints(to_lower=True),
    like(
        r"(\*\.)?([a-z0-9-]+\.)+[a-z0-9-]*[a-z][a-z0-9-]*",
        "is no name of a host: write push.example.org or *.push.example.org",
    ),
]
_MailProviders = Annotated[
    tuple[Literal["sendgrid", "smtp"], ...],
    NoDecode,
    from_text(split_words),
    Field(min_length=1),
]
# One or several public keys of P-256 (DER, base64), with commas between them.
_EVENT_KEYS = r"^MFkwEw[\w+/]+={0,2}( *, *MFkwEw[\w+/]+={0,2})*$"
_OneLine = Annotated[
    str,
    StringConstraints(
        strip_whitespace=True, min_length=1, max_length=500, pattern=r"^[^\p{C}\p{Zl}\p{Zp}]*$"
    ),
]
_RECIPIENT = r"\s*age1[02-9ac-hj-np-z]{58}\s*"
_Recipients = Annotated[
    str,
    like(
        f"{_RECIPIENT}(,{_RECIPIENT})*",
        "holds no public keys of age, age1… with commas between them: `python -m deploy.backup key` makes one",
    ),
]


def _on_loopback(stand_in: str) -> str:
    if not is_loopback(stand_in.rpartition(":")[0] or stand_in):
        raise ValueError(f"{stand_in!r} is no 127.x.y.z:port: stand-ins live on loopback")
    return stand_in


_StandInHosts = Annotated[
    dict[Annotated[str, Field(min_length=1)], Annotated[str, AfterValidator(_on_loopback)]],
    NoDecode,
    from_text(split_pairs),
]


class CrawlingSettings(CommonSettings):
    """How sites are asked; `app_env` says whether they are real ones."""

    ants_token: Key | None = None
    granted_tokens: Annotated[tuple[str, ...], NoDecode, from_text(split_words)] = ()
    prefectures_dir: Path = PREFECTURES
    plans_file: Path | None = None
    hosts_file: Path = HOSTS
    allow_live_sites: bool = False
    agent_contact: str = Field("https://rdvpriority.fr", min_length=1, max_length=200, pattern=r"^[!-'*-~]+$")
    sandbox_hosts: _StandInHosts = Field(default_factory=dict)
    proxy_list: Annotated[tuple[Proxy, ...], NoDecode, from_text(parse_proxies)] = ()
    browser_path: Path | None = None
    browser_processes: int = Field(1, ge=1)
    spider_processes: int = Field(1, ge=1)
    spider_memory_mb: int = Field(400, ge=1)
    discovery: bool = True
    scrapyd_url: _ScrapydAddress = "http://127.0.0.1:6800"
    scrapyd_replicas: int = Field(1, ge=1)
    scrapyd_password: Key | None = None
    scrapyd_pid: int | None = Field(None, ge=1)

    @property
    def loopback_only(self) -> bool:
        """Whether nothing may leave this machine: always so, except in production or where it is allowed."""
        return self.app_env != "production" and not (self.app_env == "development" and self.allow_live_sites)


# Stripe's words for means of payment by which it knows within seconds whether money comes, of renewals too.
_SETTLING = ("card", "paypal", "link", "amazon_pay", "revolut_pay", "klarna")


def _settle_at_once(methods: tuple[str, ...]) -> tuple[str, ...]:
    if slow := [each for each in methods if each not in _SETTLING]:
        known = ", ".join(_SETTLING)
        raise ValueError(f"has {', '.join(slow)}: name only means that settle at once, of these: {known}")
    return methods


def _price_others(prices: dict[str, Decimal]) -> dict[str, Decimal]:
    if OTHER not in prices:
        raise ValueError("has no price of all other countries: write 0.08,BE=0.10")
    return prices


_Prices = Annotated[
    dict[Literal[""] | _Country, _Price], NoDecode, from_text(split_pairs), AfterValidator(_price_others)
]


class SendingSettings(BaseSettings):
    """Providers, rates, caps and costs."""

    # Providers
    stand_ins: _StandIns = Field(default_factory=dict)
    sendgrid_api_key: Key | None = None
    sendgrid_webhook_key: str | None = Field(None, pattern=_EVENT_KEYS)
    email_from: Annotated[str, AfterValidator(sender)] = "RDVPriority <alerte@rdvpriority.fr>"
    mail_providers: _MailProviders = ("sendgrid",)
    smtp_url: _MailServer | None = None
    twilio_account_sid: str | None = None
    twilio_auth_token: Key | None = None
    twilio_phone_number: Annotated[str, AfterValidator(sms_sender)] | None = None
    twilio_voice_number: Annotated[str, AfterValidator(call_sender)] | None = None
    telegram_bot_token: Key | None = None
    telegram_webhook_url: WebAddress | None = None
    telegram_webhook_secret: Annotated[Key, _TELEGRAM] | None = None
    telegram_bot_name: str | None = Field(None, pattern=r"^[A-Za-z]\w{4,31}$")
    vapid_private_key: Annotated[SecretStr, checked(read_private_key)] | None = None
    vapid_public_key: Annotated[str, AfterValidator(check_public_key)] | None = None
    push_hosts: Annotated[tuple[_PushHost, ...], NoDecode, from_text(split_words)] = (
        "fcm.googleapis.com",
        "jmt17.google.com",
        "*.push.services.mozilla.com",
        "*.push.apple.com",
        "*.notify.windows.com",
    )

    # Tell
    sms_countries: Annotated[frozenset[_Country], NoDecode, from_text(split_words)] = frozenset()
    sms_price: _Prices = {OTHER: Decimal("0.08")}
    call_price: _Prices = {OTHER: Decimal("0.15")}  # EUR a minute to a mobile number
    mail_price: _Price = Decimal(0)
    server_month_price: Decimal = Field(Decimal(0), ge=0)
    sms_day_warn: Decimal = Field(Decimal(50), gt=0)
    sms_day_stop: Decimal = Field(Decimal(100), gt=0)

    def address_of(self, provider: str) -> str:
        """Return where a provider, or its stand-in, is asked: an address without a slash at its end."""
        return self.stand_ins.get(provider, ADDRESSES[provider])


def split_mediator(text: str) -> tuple[str, str, str]:
    """Read `name, postal address, https://site`: how R.616-1 wants the consumer mediator named.

    Raises:
        ValueError: one of the three is missing.
    """
    name, _, rest = (each.strip() for each in text.partition(","))
    address, _, site = (each.strip() for each in rest.rpartition(","))
    if not (name and address and re.fullmatch(r"https?://\S+", site)):
        raise ValueError("must be: name, postal address, https://site")
    return name, address, site


class LegalNames(BaseSettings):
    """The names that the law wants; `configs.world.sales_terms` hands them to terms, notice, mails and invoices.

    LCEN art. 1-1 (legal notice), R.221-2 (contract) and R.616-1 (mediator) of the Code de la consommation:
    docs/legal.md.
    """

    seller_name: _OneLine | None = None
    seller_address: _OneLine | None = None
    seller_phone: Annotated[_OneLine, checked(check_ordinary_phone)] | None = None
    seller_siren: Annotated[_OneLine, like(r"\d{3} ?\d{3} ?\d{3}", "no SIREN: nine digits")] | None = None
    seller_vat: _OneLine | None = None
    seller_vat_percent: Decimal = Field(Decimal(20), ge=0, le=100)
    seller_registration: _OneLine | None = None
    seller_iban: _OneLine | None = None
    publisher: _OneLine | None = None
    host_company: _OneLine | None = None
    mediator: Annotated[_OneLine, checked(split_mediator)] | None = None


def _name_all_accounts(accounts: dict[str, str]) -> dict[str, str]:
    if missing := {"clients", "sales", "vat"} - accounts.keys():
        raise ValueError(f"has no {', '.join(sorted(missing))}: write clients=411000,sales=706000,vat=445710")
    return accounts


_LedgerAccounts = Annotated[
    dict[
        Literal["clients", "sales", "vat"], Annotated[str, like(r"\d{3,20}", "is no account: write digits")]
    ],
    NoDecode,
    from_text(split_pairs),
    AfterValidator(_name_all_accounts),
]


class ServingSettings(BaseSettings):
    """What the API serves, to whom, and Stripe."""

    # API
    port: int = Field(4000, ge=1, le=65535)
    proxy_hops: int | None = Field(None, ge=0, le=5)
    api_url: WebAddress = "http://localhost:4000"
    frontend_url: WebAddress = Field(default_factory=lambda known: str(known["api_url"]))
    live_url: WebAddress = Field(default_factory=lambda known: str(known["api_url"]))
    jwt_secret: Key | None = None
    link_key: Key | None = None
    data_keys: Key | None = None
    lookup_key: Key | None = None
    jwt_secret_previous: Key | None = None
    jwt_expires_in: Span = timedelta(days=7)
    access_token_seconds: Seconds = 900
    bcrypt_cost: int = Field(12, ge=4, le=16)
    heartbeat_url: WebAddress | None = None
    support_email: Annotated[str, AfterValidator(email_address)] | None = None

    # Sign-in by an OpenID Connect provider, with all three of these
    oidc_issuer: WebAddress | None = None
    oidc_client_id: str | None = Field(None, max_length=300)
    oidc_client_secret: Key | None = None
    oidc_name: _OneLine = "Google"

    # Billing (read by the billing programs)
    stripe_secret_key: Key | None = None
    stripe_webhook_secret: Annotated[Key, _STRIPE] | None = None
    stripe_price_24h: str | None = None
    stripe_price_7j: str | None = None
    stripe_price_total: str | None = None
    stripe_payment_methods: Annotated[
        tuple[str, ...], NoDecode, from_text(split_words), AfterValidator(_settle_at_once)
    ] = ("card", "paypal")
    stripe_promotion_codes: bool = False
    friends: bool = False
    ledger_accounts: _LedgerAccounts = {"clients": "411000", "sales": "706000", "vat": "445710"}

    @property
    def offers_provider(self) -> bool:
        """Whether people may sign in by an OpenID Connect provider."""
        return bool(self.oidc_issuer and self.oidc_client_id and self.oidc_client_secret)


class StoreSettings(BaseSettings):
    """A folder or a bucket for each kind of file."""

    # Proofs
    proofs_url: StoreAddress | None = None
    proofs_access_key_id: str | None = None
    proofs_secret_access_key: Key | None = None

    # Exports of personal data
    exports_url: StoreAddress | None = None
    exports_access_key_id: str | None = None
    exports_secret_access_key: Key | None = None

    # Files of invoices
    invoices_url: StoreAddress | None = None
    invoices_access_key_id: str | None = None
    invoices_secret_access_key: Key | None = None

    # Backups
    backup_url: StoreAddress | None = None
    backup_recipients: _Recipients | None = None
    backup_access_key_id: str | None = None
    backup_secret_access_key: Key | None = None
    backup_wal_seconds: Seconds = 30
    backup_call_seconds: Seconds = 60
    backup_hour: int = Field(2, ge=0, le=23)
