"""Exit of a program that cannot start: configuration errors become one line that says what to do, not a traceback."""

from collections.abc import Iterator
from contextlib import contextmanager

from configs.ground.strict_yaml import ConfigFileError
from configs.settings import SettingMissing, SettingsRefused


class NotReady(RuntimeError):
    """What a program needs is not there yet; the text says what. Its supervisor tries again."""


@contextmanager
def exit_on_config_error(program: str) -> Iterator[None]:
    """Start a program in it; also a decorator of what does.

    Raises:
        SystemExit: a setting or a desk file is missing or wrong, or a migration is missing; the text says which.
    """
    try:
        yield
    except (ConfigFileError, NotReady, SettingMissing, SettingsRefused) as error:
        raise SystemExit(f"{program} does not start: {error}") from None
