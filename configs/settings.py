"""The environment, read once, typed. Every period and limit of the product is a setting here.

.env.example explains each variable; its name is the field's in upper case.
"""

import re
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal, cast

from pydantic import (
    AfterValidator,
    AnyHttpUrl,
    Field,
    ModelWrapValidatorHandler,
    SecretStr,
    TypeAdapter,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_core import ErrorDetails
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    InitSettingsSource,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from configs.clock import use_offset_file
from configs.contact_addresses import email_address, parse_countries, sender, sms_sender
from configs.durations import Periods
from configs.hosts import parse_host_map
from configs.keys import find_key_problems
from configs.legal_names import LegalNames
from configs.mail_server import parse_mail_providers, parse_mail_server
from configs.misspelt_variables import describe_misspelt
from configs.production_checks import far_store, problems_in_production, sandbox_values
from configs.proxies import Proxy, parse_proxies
from configs.secret_files import SecretFilesRefused, read_secret_files
from configs.sms_prices import DEFAULT, parse_sms_prices

AppEnv = Literal["production", "development", "sandbox", "test"]
Program = Literal["api", "background", "backup", "crawler", "notifier", "reader"]
POSTGRES = ("postgresql://", "postgres://", "postgresql+psycopg2://")
REDIS = ("redis://", "rediss://", "unix://")
AWAY_FROM_LIFE = ("sandbox", "test")
_HUMAN_GAP = 3.0  # seconds
_STORE = re.compile(r"file:///.|(?!file:|memory:)[a-z0-9+]+://[^/]|(?![a-z0-9+]*:)")
_RECIPIENT = re.compile(r"age1[02-9ac-hj-np-z]{58}")
_UNREAD = "secret_files_refused"  # lines about secret files, on their way to the other problems
_UNTRIED = "default_factory_not_called"  # pydantic's, of a default that depends on what is wrong
PREFECTURES = Path(__file__).parent / "prefectures"
HOSTS = Path(__file__).parent / "hosts.yaml"


class SettingMissing(RuntimeError):
    """A program needs a setting that the environment does not give."""


class SettingsRefused(RuntimeError):
    """The environment is wrong; the text names every variable that is and what to do."""


def _address(text: str) -> str:
    """Check an address and leave its last slash out, so that a path can be put behind it."""
    return str(TypeAdapter(AnyHttpUrl).validate_python(text)).rstrip("/")


def _reaches_out(app_env: str | None, *, allowed: bool) -> bool:
    return app_env == "production" or (app_env == "development" and allowed)


def _step_gap(known: dict[str, Any]) -> float:
    """Return a person's longest pause between two pages; a stand-in is no site that wants to be spared."""
    real = _reaches_out(known.get("app_env"), allowed=known.get("allow_live_sites", False))
    return _HUMAN_GAP if real else 0.0


def _store(text: str) -> str:
    # s3:/x is a folder of that name to a library, and of s3:// the year of the first key becomes the bucket
    if not _STORE.match(text):
        raise ValueError("names no store: write a folder, or s3://bucket/folder")
    return text


def _recipients(text: str) -> str:
    for each in text.split(","):
        if not _RECIPIENT.fullmatch(each.strip()):
            raise ValueError(
                "holds no public keys of age, age1… with commas between them: `python -m deploy.backup key` makes one"
            )
    return text


# One or several public keys of P-256 (DER, base64), with commas between them.
_EVENT_KEYS = r"^MFkwEw[\w+/]+={0,2}( *, *MFkwEw[\w+/]+={0,2})*$"
WebAddress = Annotated[str, AfterValidator(_address)]


class Settings(Periods, LegalNames, BaseSettings):
    """All settings; frozen. Secrets never show in a repr, nor any input in an error.

    `.env` is read in the working directory, and SECRETS_DIR, except by tests and the sandbox: a developer's is not
    theirs.
    """

    model_config = SettingsConfigDict(
        env_file=".env",
        env_file_encoding="utf-8",
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,
    )

    app_env: AppEnv = "development"
    program: Program | None = None
    state_dir: Path = Path(".state")
    secrets_dir: Path | None = None
    clock_offset_file: Path | None = None
    log_format: Literal["console", "json"] = "console"
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    sentry_dsn: SecretStr | None = None

    # Servers
    database_url: SecretStr | None = None
    database_url_api: SecretStr | None = None
    database_url_background: SecretStr | None = None
    database_url_backup: SecretStr | None = None
    database_url_crawler: SecretStr | None = None
    database_url_notifier: SecretStr | None = None
    database_url_reader: SecretStr | None = None
    database_prepares: bool = True
    db_password: SecretStr | None = None
    redis_url: SecretStr | None = None
    redis_password: SecretStr | None = None

    # API
    port: int = Field(4000, ge=1, le=65535)
    proxy_hops: int | None = Field(None, ge=0, le=5)
    api_url: WebAddress = "http://localhost:4000"
    frontend_url: WebAddress = Field(default_factory=lambda known: str(known["api_url"]))
    jwt_secret: SecretStr | None = None
    data_keys: SecretStr | None = None
    lookup_key: SecretStr | None = None
    jwt_secret_previous: SecretStr | None = None
    bcrypt_cost: int = Field(12, ge=4, le=16)
    password_hashes: int = Field(1, ge=1, le=64)
    fair_use_prefectures: int = Field(10, ge=1)
    fair_use_alerts: int = Field(100, ge=1)
    fair_use_desks: int = Field(60, ge=1)
    fair_use_found: int = Field(3, ge=1)
    support_email: Annotated[str, AfterValidator(email_address)] | None = None

    # Billing (read by the billing programs)
    stripe_secret_key: SecretStr | None = None
    stripe_base_url: WebAddress = "https://api.stripe.com"
    stripe_webhook_secret: SecretStr | None = None
    stripe_price_24h: str | None = None
    stripe_price_7j: str | None = None
    stripe_price_total: str | None = None
    stripe_payment_methods: Annotated[tuple[str, ...], NoDecode] = ("card", "paypal")
    stripe_promotion_codes: bool = False
    open_checkouts: int = Field(3, ge=1)

    # Providers
    sendgrid_api_key: SecretStr | None = None
    sendgrid_base_url: WebAddress = "https://api.sendgrid.com"
    sendgrid_webhook_key: str | None = Field(None, pattern=_EVENT_KEYS)
    email_from: str = "RDVPriority <alerte@rdvpriority.fr>"
    mail_providers: Annotated[tuple[str, ...], NoDecode] = ("sendgrid",)
    smtp_url: SecretStr | None = None
    twilio_account_sid: str | None = None
    twilio_auth_token: SecretStr | None = None
    twilio_phone_number: str | None = None
    twilio_base_url: WebAddress = "https://api.twilio.com"
    telegram_bot_token: SecretStr | None = None
    telegram_base_url: WebAddress = "https://api.telegram.org"
    telegram_webhook_url: WebAddress | None = None
    telegram_webhook_secret: SecretStr | None = None
    telegram_bot_name: str | None = Field(None, pattern=r"^[A-Za-z]\w{4,31}$")
    telegram_link_url: WebAddress = "https://t.me"

    # Tell
    crowd_alerts: int = Field(50, ge=1)
    telegram_per_second: int = Field(30, ge=1)
    telegram_chat_seconds: float = Field(1, gt=0, allow_inf_nan=False)
    telegram_reserved: int = Field(5, ge=0)
    sms_per_second: int = Field(10, ge=1)
    sms_reserved: int = Field(2, ge=0)
    email_per_hour: int = Field(30, ge=1)
    telegram_per_hour: int = Field(30, ge=1)
    sms_per_hour: int = Field(10, ge=1)
    user_per_hour: int = Field(50, ge=1)
    sms_copies: int = Field(4, ge=1)
    sms_countries: Annotated[frozenset[str], NoDecode] = frozenset()
    sms_codes_a_day: int = Field(200, ge=0)
    sms_price: Annotated[dict[str, Decimal], NoDecode] = Field(default_factory=lambda: dict(DEFAULT))
    sms_day_warn: Decimal = Field(Decimal(50), gt=0)
    sms_day_stop: Decimal = Field(Decimal(100), gt=0)

    # Crawl
    ants_token: SecretStr | None = None
    prefectures_dir: Path = PREFECTURES
    hosts_file: Path = HOSTS
    allow_live_sites: bool = False
    step_gap_seconds: float = Field(default_factory=_step_gap, ge=0, allow_inf_nan=False)
    agent_contact: str = Field("https://rdvpriority.fr", min_length=1, max_length=200, pattern=r"^[!-'*-~]+$")
    sandbox_hosts: Annotated[dict[str, str], NoDecode] = Field(default_factory=dict)
    proxy_list: Annotated[tuple[Proxy, ...], NoDecode] = ()
    browser_path: Path | None = None
    browser_places: int = Field(2, ge=1, le=16)
    browser_processes: int = Field(1, ge=1)
    browser_checks: int = Field(100, ge=1)
    browser_memory_mb: int = Field(1000, ge=1)
    spider_places: int = Field(64, ge=1)
    spider_processes: int = Field(1, ge=1)
    spider_memory_mb: int = Field(400, ge=1)
    visit_requests: int = Field(24, ge=2)
    pause_after: int = Field(5, ge=1)
    proven_intervals: int = Field(5, ge=1)
    partition_days: int = Field(14, ge=1)
    partition_days_low: int = Field(7, ge=1)
    interval_jitter: float = Field(0.05, ge=0, le=1)
    least_budget_share: float = Field(0.0625, gt=0, le=1)
    discovery_processes: int = Field(1, ge=0)
    discovery_pages: int = Field(100, ge=1)
    discovery_depth: int = Field(4, ge=1)
    scrapyd_url: WebAddress = "http://127.0.0.1:6800"
    scrapyd_username: str = "scrapyd"
    scrapyd_password: SecretStr | None = None
    scrapyd_pid: int | None = Field(None, ge=1)

    # Proofs
    proofs_url: Annotated[str, AfterValidator(_store)] | None = None
    proofs_endpoint_url: WebAddress | None = None
    proofs_region: str | None = None
    proofs_access_key_id: str | None = None
    proofs_secret_access_key: SecretStr | None = None
    proofs_leave_free_mb: int = Field(500, ge=0)

    # Exports of personal data
    exports_url: Annotated[str, AfterValidator(_store)] | None = None
    exports_endpoint_url: WebAddress | None = None
    exports_region: str | None = None
    exports_access_key_id: str | None = None
    exports_secret_access_key: SecretStr | None = None

    # Files of invoices
    invoices_url: Annotated[str, AfterValidator(_store)] | None = None
    invoices_endpoint_url: WebAddress | None = None
    invoices_region: str | None = None
    invoices_access_key_id: str | None = None
    invoices_secret_access_key: SecretStr | None = None

    # Backups
    backup_url: Annotated[str, AfterValidator(_store)] | None = None
    backup_recipients: Annotated[str, AfterValidator(_recipients)] | None = None
    backup_endpoint_url: WebAddress | None = None
    backup_region: str | None = None
    backup_access_key_id: str | None = None
    backup_secret_access_key: SecretStr | None = None
    backup_hour: int = Field(2, ge=0, le=23)
    backup_wal_warn_mb: int = Field(2048, ge=1)

    @field_validator("sandbox_hosts", mode="before")
    @classmethod
    def _hosts(cls, value: object) -> object:
        return parse_host_map(value) if isinstance(value, str) else value

    @field_validator("proxy_list", mode="before")
    @classmethod
    def _proxies(cls, value: object) -> object:
        return parse_proxies(value) if isinstance(value, str) else value

    @field_validator("sms_countries", mode="before")
    @classmethod
    def _countries(cls, value: object) -> object:
        return parse_countries(value) if isinstance(value, str) else value

    @field_validator("sms_price", mode="before")
    @classmethod
    def _sms_prices(cls, value: object) -> object:
        return parse_sms_prices(value) if isinstance(value, str) else value

    @field_validator("twilio_phone_number")
    @classmethod
    def _sms_sender(cls, value: str | None) -> str | None:
        return sms_sender(value) if value else value

    @field_validator("stripe_payment_methods", mode="before")
    @classmethod
    def _methods(cls, value: object) -> object:
        return (
            tuple(each.strip() for each in value.split(",") if each.strip())
            if isinstance(value, str)
            else value
        )

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

    @field_validator("telegram_webhook_secret")
    @classmethod
    def _webhook_secrets(cls, value: SecretStr | None) -> SecretStr | None:
        # https://core.telegram.org/bots/api#setwebhook
        if value and not re.fullmatch(r"[\w-]{1,256}(,[\w-]{1,256})*", value.get_secret_value(), re.ASCII):
            raise ValueError(
                "Telegram takes letters, digits, _ and - in a secret; put commas between several"
            )
        return value

    @property
    def loopback_only(self) -> bool:
        """Whether nothing may leave this machine: always so, except in production or where it is allowed."""
        return not _reaches_out(self.app_env, allowed=self.allow_live_sites)

    @field_validator("email_from")
    @classmethod
    def _sender(cls, value: str) -> str:
        return sender(value)

    @field_validator(
        "database_url",
        "database_url_api",
        "database_url_background",
        "database_url_backup",
        "database_url_crawler",
        "database_url_notifier",
        "database_url_reader",
    )
    @classmethod
    def _postgres(cls, value: SecretStr | None) -> SecretStr | None:
        return _of_scheme(value, POSTGRES)

    @field_validator("redis_url")
    @classmethod
    def _redis(cls, value: SecretStr | None) -> SecretStr | None:
        return _of_scheme(value, REDIS)

    @model_validator(mode="wrap")
    @classmethod
    def _everything_at_once(cls, data: Any, handler: ModelWrapValidatorHandler["Settings"]) -> "Settings":
        """Name what is wrong with single variables and with all of them together in one error."""
        wrong: dict[str, str] = dict(data.pop(_UNREAD, {}))
        try:
            built = handler(data)
        except ValidationError as error:
            real = [each for each in error.errors() if each["type"] != _UNTRIED]
            wrong |= {str(each["loc"][0]): _line(each) for each in real}
            built = handler({name: value for name, value in data.items() if name not in wrong})
        known = tuple(f"{name.upper()} " for name in wrong)
        problems = [*wrong.values(), *(each for each in built.problems() if not each.startswith(known))]
        if problems:
            raise ValueError("\n".join([*problems, *describe_misspelt(cls.model_fields)]))
        return built

    def problems(self) -> list[str]:
        """Name each variable that this APP_ENV refuses."""
        misplaced = list(find_key_problems(self))
        misplaced += [] if self.app_env in AWAY_FROM_LIFE else sandbox_values(self)
        production = self.app_env == "production"
        return misplaced + (problems_in_production(self) if production else far_store(self))

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 -- as above
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Leave `.env` and secret files out where the environment says that this is no developer's run."""
        given = cast("EnvSettingsSource", env_settings).env_vars  # to ask it would read all of them
        written = cast("EnvSettingsSource", dotenv_settings).env_vars
        app_env = init_settings().get("app_env") or given.get("app_env")
        if app_env in AWAY_FROM_LIFE:
            return (init_settings, env_settings)
        folder = init_settings().get("secrets_dir") or given.get("secrets_dir") or written.get("secrets_dir")
        secrets: dict[str, Any]
        try:
            secrets = dict(read_secret_files(Path(folder) if folder else None, settings_cls.model_fields))
        except SecretFilesRefused as refused:
            if not refused.wrong:
                raise
            secrets = {**refused.values, _UNREAD: refused.wrong}
        return (init_settings, env_settings, InitSettingsSource(settings_cls, secrets), dotenv_settings)

    def require(self, name: str) -> str:
        """Return the setting's text.

        Raises:
            SettingMissing: it is not set; the text says which variable to set.
        """
        value = getattr(self, name)
        if value is None:
            raise SettingMissing(f"{name.upper()} is not set: set it in the environment (see .env.example)")
        return value.get_secret_value() if isinstance(value, SecretStr) else str(value)

    def require_all(self, name: str) -> tuple[str, ...]:
        """Return the values of a setting that takes several, separated by commas: newest first.

        Raises:
            SettingMissing: it has none; the text says which variable to set.
        """
        values = tuple(value.strip() for value in self.require(name).split(",") if value.strip())
        if not values:
            raise SettingMissing(
                f"{name.upper()} holds no value: set it in the environment (see .env.example)"
            )
        return values


def load(**overrides: object) -> Settings:
    """Read the environment again.

    Raises:
        SettingsRefused: names all variables that are wrong, at once.
    """
    try:
        return Settings(**overrides)  # type: ignore[arg-type]  # pydantic validates what tests override
    except ValidationError as error:
        lines = [line for each in error.errors() for line in _line(each).split("\n")]
    except SecretFilesRefused as error:
        lines = str(error).split("\n")
    raise SettingsRefused("\n  ".join(["settings refused:", *lines]))


def _line(problem: ErrorDetails) -> str:
    text = problem["msg"].removeprefix("Value error, ")
    return f"{str(problem['loc'][0]).upper()}: {text}" if problem["loc"] else text


def _of_scheme(value: SecretStr | None, schemes: tuple[str, ...]) -> SecretStr | None:
    if value and not value.get_secret_value().startswith(schemes):
        raise ValueError(f"must begin with {' or '.join(schemes)}")
    return value


def missing_token(platform: str) -> str | None:
    """Return the variable of the token that a platform's site asks for, where it is not set.

    A platform asks for one where there is a setting of its name with `_token`.
    """
    name = f"{platform}_token"
    missing = name in Settings.model_fields and getattr(settings(), name) is None
    return name.upper() if missing else None


@lru_cache(maxsize=1)
def settings() -> Settings:
    """Return the process's settings, read at the first call."""
    found = load()
    use_offset_file(found.clock_offset_file)
    return found
