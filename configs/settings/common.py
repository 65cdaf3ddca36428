"""Settings that all programs read: which world this is, logs, and the servers."""

import json
import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, NoDecode

from configs.settings.value_types import WebAddress

AppEnv = Literal["production", "development", "sandbox", "test"]
DatabaseProgram = Literal["api", "background", "backup", "crawler", "notifier", "reader", "stream"]
Program = Literal[DatabaseProgram, "proofs"]
POSTGRES = ("postgresql://", "postgres://", "postgresql+psycopg2://")
# https://develop.sentry.dev/sdk/overview/#parsing-the-dsn
_DSN = re.compile(r"https?://[^\s/:@]+@[^\s/@]+(?:/[^\s/?#]+)*/\d+")
REDIS = ("redis://", "rediss://", "unix://")


class CommonSettings(BaseSettings):
    """The world, the logs, PostgreSQL and Redis."""

    app_env: AppEnv = "development"
    program: Program | None = None
    state_dir: Path = Path(".state")
    secrets_dir: Path | None = None
    clock_offset_file: Path | None = None
    test_periods: Annotated[dict[str, int | float | tuple[float, ...]], NoDecode] = Field(
        default_factory=dict
    )
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
    database_url_stream: SecretStr | None = None
    database_prepares: bool = True
    db_password: SecretStr | None = None
    redis_url: SecretStr | None = None
    redis_password: SecretStr | None = None

    # Metrics
    metrics_api_url: WebAddress | None = None

    @field_validator(
        "database_url",
        "database_url_api",
        "database_url_background",
        "database_url_backup",
        "database_url_crawler",
        "database_url_notifier",
        "database_url_reader",
        "database_url_stream",
    )
    @classmethod
    def _postgres(cls, value: SecretStr | None) -> SecretStr | None:
        return _of_scheme(value, POSTGRES)

    @field_validator("test_periods", mode="before")
    @classmethod
    def _periods(cls, value: object) -> object:
        return json.loads(value) if isinstance(value, str) else value

    @field_validator("sentry_dsn")
    @classmethod
    def _dsn(cls, value: SecretStr | None) -> SecretStr | None:
        if value and not _DSN.fullmatch(value.get_secret_value()):
            raise ValueError("is no DSN, https://<key>@<host>/<number>: copy it from the project's settings")
        return value

    @field_validator("redis_url")
    @classmethod
    def _redis(cls, value: SecretStr | None) -> SecretStr | None:
        return _of_scheme(value, REDIS)


def _of_scheme(value: SecretStr | None, schemes: tuple[str, ...]) -> SecretStr | None:
    if value and not value.get_secret_value().startswith(schemes):
        raise ValueError(f"must begin with {' or '.join(schemes)}")
    return value
