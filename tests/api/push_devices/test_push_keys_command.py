"""`flask push-keys` draws what the settings take."""

from collections.abc import Callable

from click.testing import CliRunner

from api.push_keys_command import push_keys_command
from configs.settings import settings
from configs.settings.push_keys import read_private_key, write_public_key


def test_what_is_drawn_is_taken_as_settings(settings_env: Callable[..., None]) -> None:
    done = CliRunner().invoke(push_keys_command)
    assert done.exit_code == 0
    settings_env(**dict(line.split("=", 1) for line in done.output.splitlines()))
    assert settings().vapid_private_key is not None
    private_key = read_private_key(settings().require("vapid_private_key"))
    assert write_public_key(private_key) == settings().vapid_public_key
