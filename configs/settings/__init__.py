"""The environment, read once, typed: what an operator sets. Other periods and limits are constants beside their use.

The fields are in the other modules of this folder. .env.example explains each variable; its name is the field's in
upper case.
"""

import warnings
from functools import lru_cache
from pathlib import Path
from typing import Any, cast

from pydantic import ModelWrapValidatorHandler, SecretStr, ValidationError, model_validator
from pydantic_core import ErrorDetails
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SecretsSettingsSource,
    SettingsConfigDict,
)

from configs.ground.clock import use_offset_file
from configs.settings.common import DatabaseProgram, Program
from configs.settings.crawling import HOSTS, PREFECTURES, CrawlingSettings
from configs.settings.groups import LegalNames, SendingSettings, ServingSettings, StoreSettings
from configs.settings.production_checks import far_server, problems_in_production, sandbox_values
from configs.settings.program_settings import describe_misspelt, folder_in_use
from configs.settings.value_types import split_words

__all__ = [
    "AWAY_FROM_LIFE",
    "HOSTS",
    "PREFECTURES",
    "DatabaseProgram",
    "Program",
    "SettingMissing",
    "Settings",
    "SettingsRefused",
    "load",
    "settings",
]
AWAY_FROM_LIFE = ("sandbox", "test")
_UNTRIED = "default_factory_not_called"  # pydantic's, of a default that depends on what is wrong


class SettingMissing(RuntimeError):
    """A program needs a setting that the environment does not give."""


class SettingsRefused(RuntimeError):
    """The environment is wrong; the text names every variable that is and what to do."""


class Settings(LegalNames, ServingSettings, SendingSettings, StoreSettings, CrawlingSettings):
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

    @model_validator(mode="wrap")
    @classmethod
    def _everything_at_once(cls, data: Any, handler: ModelWrapValidatorHandler["Settings"]) -> "Settings":
        """Name what is wrong with single variables and with all of them together in one error."""
        wrong: dict[str, str] = {}
        try:
            built = handler(data)
        except ValidationError as error:
            real = [each for each in error.errors() if each["type"] != _UNTRIED]
            wrong = {str(each["loc"][0]): _line(each) for each in real}
            built = handler({name: value for name, value in data.items() if name not in wrong})
        known = tuple(f"{name.upper()} " for name in wrong)
        problems = [*wrong.values(), *(each for each in built.problems() if not each.startswith(known))]
        if problems:
            raise ValueError("\n".join([*problems, *describe_misspelt(cls.model_fields)]))
        return built

    def problems(self) -> list[str]:
        """Name each variable that this APP_ENV refuses."""
        misplaced = [] if self.app_env in AWAY_FROM_LIFE else sandbox_values(self)
        production = self.app_env == "production"
        return misplaced + (problems_in_production(self) if production else far_server(self))

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
        with warnings.catch_warnings():
            # pydantic only warns of a folder in a file's place, of a link that leads out, and of no SECRETS_DIR
            warnings.simplefilter("error", UserWarning)
            found = SecretsSettingsSource(settings_cls, folder_in_use(Path(folder) if folder else None))()
        # An empty file counts as none: Compose hands out those of accounts that a server has not, too.
        files = InitSettingsSource(settings_cls, {name: value for name, value in found.items() if value})
        return (init_settings, env_settings, files, dotenv_settings)

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


def load(**overrides: object) -> Settings:
    """Read the environment again.

    Raises:
        SettingsRefused: names all variables that are wrong, at once.
    """
    try:
        return Settings(**overrides)  # type: ignore[arg-type]  # pydantic validates what tests override
    except ValidationError as error:
        lines = [line for each in error.errors() for line in _line(each).split("\n")]
    except (OSError, UserWarning, ValueError) as error:
        lines = [f"{error} ({error.__cause__})" if error.__cause__ else str(error)]  # a file cannot be read
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
