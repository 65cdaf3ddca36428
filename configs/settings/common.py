"""Settings that all programs read: which world this is, logs, and the servers."""

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, get_args

from pydantic import AfterValidator, Field, SecretStr, create_model
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


# DATABASE_URL_<PROGRAM> of each: the fields are read by their names alone.
DATABASE_LOGINS = tuple(f"database_url_{program}" for program in get_args(DatabaseProgram))
if TYPE_CHECKING:
    _Logins = BaseSettings
else:
    _Logins = create_model(
        "_Logins", __base__=BaseSettings, **dict.fromkeys(DATABASE_LOGINS, (_PostgresUrl | None, None))
    )


class CommonSettings(_Logins):
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
    db_password: Key | None = None
    redis_url: _RedisUrl | None = None
    redis_password: Key | None = None

    # Metrics
    metrics_api_url: WebAddress | None = None
