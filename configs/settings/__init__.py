"""The environment, read once, typed: what an operator sets. Other periods and limits are constants beside their use.

The fields are in the other modules of this folder. .env.example explains each variable; its name is the field's in
upper case.
"""

import os
import warnings
from datetime import timedelta
from functools import lru_cache
from typing import Any, Generic, Self, TypeVar, cast

from dotenv import dotenv_values
from pydantic import SecretStr, ValidationError, model_validator
from pydantic_core import ErrorDetails
from pydantic_settings import SettingsConfigDict

from configs.ground.clock import use_offset_file
from configs.settings.groups import (
    CrawlingSettings,
    LegalNames,
    SendingSettings,
    ServingSettings,
    StoreSettings,
)
from configs.settings.misspelt import describe_misspelt
from configs.settings.production_checks import far_server, problems_in_production, sandbox_values
from configs.settings.program_settings import folder_in_use
from configs.settings.value_types import split_words

AWAY_FROM_LIFE = ("sandbox", "test")
_UNTRIED = "default_factory_not_called"  # pydantic's, of a default that depends on what is wrong


class SettingMissing(RuntimeError):
    """A program needs a setting that the environment does not give."""


class SettingsRefused(RuntimeError):
    """The environment is wrong; the text names every variable that is and what to do."""


class Settings(LegalNames, ServingSettings, SendingSettings, StoreSettings, CrawlingSettings):
    """All settings; frozen. Secrets never show in a repr, nor any input in an error.

    `load` reads `.env` in the working directory and SECRETS_DIR, except for tests and the sandbox: a developer's is not
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

    @model_validator(mode="before")
    @classmethod
    def _leave_out_empty_files(cls, data: dict[str, Any]) -> dict[str, Any]:
        # Compose hands out files of accounts that a server has not, too
        return {name: value for name, value in data.items() if value != ""}

    @model_validator(mode="after")
    def _fit_their_world(self) -> Self:
        problems = [] if self.app_env in AWAY_FROM_LIFE else sandbox_values(self)
        problems += problems_in_production(self) if self.app_env == "production" else far_server(self)
        if problems:
            raise ValueError("\n".join(problems))
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

    def require_all(self, name: str) -> tuple[str, ...]:
        """Return the values of a setting that takes several, separated by commas: newest first.

        Raises:
            SettingMissing: it has none; the text says which variable to set.
        """
        values = split_words(self.require(name))
        if not values:
            raise SettingMissing(
                f"{name.upper()} holds no value: set it in the environment (see .env.example)"
            )
        return values


def load(**overrides: Any) -> Settings:
    """Read the environment again.

    Raises:
        SettingsRefused: names all variables that are wrong, then all that this APP_ENV refuses.
    """
    given = {name.lower(): value for name, value in os.environ.items()} | overrides
    sources: dict[str, Any] = {"_env_file": None}
    try:
        if given.get("app_env") not in AWAY_FROM_LIFE:
            named = given.get("secrets_dir") or dotenv_values(".env").get("SECRETS_DIR")
            sources = {"_secrets_dir": folder_in_use(named)}
        with warnings.catch_warnings():
            # pydantic only warns of a folder in a file's place, of a link that leads out, and of no SECRETS_DIR
            warnings.simplefilter("error", UserWarning)
            return Settings(**sources, **overrides)
    except ValidationError as error:
        found = {each["loc"][:1]: _line(each) for each in error.errors() if each["type"] != _UNTRIED}
        lines = "\n".join(found.values()).split("\n")
    except (OSError, UserWarning, ValueError) as error:
        lines = [f"{error} ({error.__cause__})" if error.__cause__ else str(error)]  # a file cannot be read
    lines += describe_misspelt(Settings.model_fields)
    raise SettingsRefused("\n  ".join(["settings refused:", *lines]))


def _line(problem: ErrorDetails) -> str:
    text = problem["msg"].removeprefix("Value error, ")
    return f"{str(problem['loc'][0]).upper()}: {text}" if problem["loc"] else text


@lru_cache(maxsize=1)
def settings() -> Settings:
    """Return the process's settings, read at the first call."""
    found = load()
    use_offset_file(found.clock_offset_file)
    return found


Value = TypeVar("Value", bound=float | timedelta | tuple[float, ...])


class Constant(Generic[Value]):
    """A number, a period (in seconds, or a timedelta) or waits in seconds, which stands beside its use and is called.

    Its variable is its name in small letters, as a function's: `sweep_seconds()`. What stands in capitals is a plain
    value, and is not called (`tests/test_rooms.py`).

    Tests of whole processes change it (a lease of a second, a sweep each 0.2 s) by TEST_PERIODS, a JSON object of names
    and numbers; it works only with APP_ENV=test or sandbox.
    """

    def __init__(self, name: str, value: Value) -> None:
        self._name, self._value = name, value

    def __call__(self) -> Value:
        """Return the product's own value, or the one of TEST_PERIODS."""
        changed = settings().test_periods.get(self._name)
        if changed is None:
            return self._value
        is_span = isinstance(self._value, timedelta)
        return cast("Value", timedelta(seconds=cast("float", changed)) if is_span else changed)
