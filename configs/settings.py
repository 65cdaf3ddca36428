"""The environment, read once, typed. Every period and limit of the product is a setting here.

.env.example explains each variable; its name is the field's in upper case.
"""

from functools import lru_cache
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AnyHttpUrl, Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from configs.hosts import parse_host_map
from configs.periods import Periods
from configs.weakness import problems_in_production, sandbox_values

type_of_env = Literal["production", "development", "sandbox", "test"]
PREFECTURES = Path(__file__).parent / "prefectures"


class SettingMissing(RuntimeError):
    """A program needs a setting that the environment does not give."""


class SettingsRefused(RuntimeError):
    """The environment is wrong; the text names every variable that is and what to do."""


class Settings(Periods, BaseSettings):
    """All settings; frozen. Secrets never show in a repr."""

    model_config = SettingsConfigDict(env_file=".env", env_ignore_empty=True, extra="ignore", frozen=True)

    app_env: type_of_env = "development"
    state_dir: Path = Path(".state")
    log_format: Literal["console", "json"] = "console"
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    sentry_dsn: SecretStr | None = None

    # Servers
    database_url: SecretStr | None = None
    database_url_api: SecretStr | None = None
    database_url_crawler: SecretStr | None = None
    database_url_notifier: SecretStr | None = None
    db_password: SecretStr | None = None
    redis_url: SecretStr | None = None
    redis_password: SecretStr | None = None

    # API
    port: int = Field(4000, ge=1, le=65535)
    api_url: AnyHttpUrl = AnyHttpUrl("http://localhost:4000")
    frontend_url: AnyHttpUrl = AnyHttpUrl("http://localhost:3000")
    jwt_secret: SecretStr | None = None
    bcrypt_cost: int = Field(12, ge=4, le=16)
    fair_use_prefectures: int = Field(10, ge=1)

    # Billing (read by the billing programs)
    stripe_secret_key: SecretStr | None = None
    stripe_webhook_secret: SecretStr | None = None
    stripe_price_24h: str | None = None
    stripe_price_7j: str | None = None
    stripe_price_total: str | None = None

    # Providers
    sendgrid_api_key: SecretStr | None = None
    sendgrid_base_url: AnyHttpUrl = AnyHttpUrl("https://api.sendgrid.com")
    email_from: str = "RDVPriority <alerte@rdvpriority.fr>"
    smtp_url: SecretStr | None = None
    twilio_account_sid: str | None = None
    twilio_auth_token: SecretStr | None = None
    twilio_phone_number: str | None = None
    twilio_base_url: AnyHttpUrl = AnyHttpUrl("https://api.twilio.com")
    telegram_bot_token: SecretStr | None = None
    telegram_base_url: AnyHttpUrl = AnyHttpUrl("https://api.telegram.org")
    telegram_webhook_url: AnyHttpUrl | None = None

    # Crawl
    prefectures_dir: Path = PREFECTURES
    allow_live_sites: bool = False
    sandbox_hosts: Annotated[dict[str, str], NoDecode] = Field(default_factory=dict)
    proxy_list: SecretStr | None = None
    spider_places: int = Field(64, ge=1)
    spider_processes: int = Field(1, ge=1)
    visit_requests: int = Field(24, ge=2)
    scrapyd_url: AnyHttpUrl = AnyHttpUrl("http://127.0.0.1:6800")
    scrapyd_username: str = "scrapyd"
    scrapyd_password: SecretStr | None = None

    @field_validator("sandbox_hosts", mode="before")
    @classmethod
    def _hosts(cls, value: object) -> object:
        return parse_host_map(value) if isinstance(value, str) else value

    @property
    def loopback_only(self) -> bool:
        """Whether nothing may leave this machine: always so, except in production or where it is allowed."""
        if self.app_env == "production":
            return False
        return not (self.app_env == "development" and self.allow_live_sites)

    @model_validator(mode="after")
    def _sandbox_values_stay_there(self) -> "Settings":
        misplaced = sandbox_values(self) if self.app_env not in ("sandbox", "test") else []
        weak = problems_in_production(self) if self.app_env == "production" else []
        if problems := misplaced + weak:
            raise ValueError("; ".join(problems))
        return self

    def require(self, name: str) -> str:
        """Return the setting's text.

        Raises:
            SettingMissing: it is not set; the text says which variable to set.
        """
        value = getattr(self, name)
        if value is None:
            raise SettingMissing(f"{name.upper()} is not set: set it in the environment (see .env.example)")
        return value.get_secret_value() if isinstance(value, SecretStr) else str(value)


def load(**overrides: object) -> Settings:
    """Read the environment anew.

    Raises:
        SettingsRefused: names all variables that are wrong, at once.
    """
    try:
        return Settings(**overrides)  # type: ignore[arg-type]  # pydantic validates what tests override
    except ValidationError as error:
        lines = [
            _line(str(".".join(map(str, e["loc"]))), e["msg"]) for e in error.errors(include_input=False)
        ]
        raise SettingsRefused("settings refused:\n" + "\n".join(lines)) from None


def _line(field: str, message: str) -> str:
    texts = message.removeprefix("Value error, ").split("; ")
    return "\n".join(f"  {field.upper()}: {text}" if field else f"  {text}" for text in texts)


@lru_cache(maxsize=1)
def settings() -> Settings:
    """Return the process's settings, read at the first call."""
    return load()
