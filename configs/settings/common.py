"""Settings that all programs read: which world this is, logs, and the servers."""

import json
import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, SecretStr
from pydantic_settings import BaseSettings, NoDecode

from configs.settings.value_types import Key, WebAddress, from_text, like

AppEnv = Literal["production", "development", "sandbox", "test"]
DatabaseProgram = Literal["api", "background", "backup", "crawler", "notifier", "reader", "stream"]
Program = Literal[DatabaseProgram, "proofs"]
POSTGRES = ("postgresql://", "postgres://", "postgresql+psycopg2://")
# https://develop.sentry.dev/sdk/overview/#parsing-the-dsn
_Dsn = Annotated[
    SecretStr,
    like(
        r"https?://[^\s/:@]+@[^\s/@]+(?:/[^\s/?#]+)*/\d+",
        "is no DSN, https://<key>@<host>/<number>: copy it from the project's settings",
    ),
]
REDIS = ("redis://", "rediss://", "unix://")
_Periods = dict[str, int | float | tuple[float, ...]]


def _of_scheme(*schemes: str) -> AfterValidator:
    return like(rf"(?s)(?:{'|'.join(map(re.escape, schemes))}).*", f"must begin with {' or '.join(schemes)}")


_PostgresUrl = Annotated[SecretStr, _of_scheme(*POSTGRES)]
_RedisUrl = Annotated[SecretStr, _of_scheme(*REDIS)]


class CommonSettings(BaseSettings):
    """The world, the logs, PostgreSQL and Redis."""

    app_env: AppEnv = "development"
    program: Program | None = None
    state_dir: Path = Path(".state")
    secrets_dir: Path | None = None
    clock_offset_file: Path | None = None
    test_periods: Annotated[_Periods, NoDecode, from_text(json.loads)] = Field(default_factory=dict)
    log_format: Literal["console", "json"] = "console"
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    sentry_dsn: _Dsn | None = None

    # Servers
    database_url: _PostgresUrl | None = None
    database_url_api: _PostgresUrl | None = None
    database_url_background: _PostgresUrl | None = None
    database_url_backup: _PostgresUrl | None = None
    database_url_crawler: _PostgresUrl | None = None
    database_url_notifier: _PostgresUrl | None = None
    database_url_reader: _PostgresUrl | None = None
    database_url_stream: _PostgresUrl | None = None
    db_password: Key | None = None
    redis_url: _RedisUrl | None = None
    redis_password: Key | None = None

    # Metrics
    metrics_api_url: WebAddress | None = None

    def find_own_database(self, program: Program) -> SecretStr | None:
        """Return the address of the database that a program has for itself; None where it has none."""
        own: SecretStr | None = getattr(self, f"database_url_{program}", None)
        return own
