"""The one clock: stepped by a file in the sandbox, as it is elsewhere."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from configs.ground.clock import clock, read_offset
from configs.settings import SettingsRefused, load, settings


@pytest.mark.usefixtures("frozen")
def test_the_clock_is_stepped_by_a_file_and_right_again_without_it(
    settings_env: Callable[..., None], tmp_path: Path
) -> None:
    right, offset = clock(), tmp_path / "offset"
    settings_env(CLOCK_OFFSET_FILE=offset)
    settings()
    assert clock() == right
    for seconds in (86_400, -3_600.5):
        offset.write_text(str(seconds))
        assert clock() - right == timedelta(seconds=seconds)
        assert read_offset(of_database=True) == timedelta(0)
    offset.write_text("60 -3600")
    assert (clock() - right, read_offset(of_database=True)) == (timedelta(minutes=1), timedelta(hours=-1))
    settings_env(CLOCK_OFFSET_FILE="")
    settings()
    assert (clock(), read_offset(of_database=True)) == (right, timedelta(0))


@pytest.mark.parametrize("app_env", ["production", "development"])
def test_only_the_sandbox_may_step_its_clock(
    settings_env: Callable[..., None], tmp_path: Path, app_env: str
) -> None:
    settings_env(APP_ENV=app_env, CLOCK_OFFSET_FILE=tmp_path / "offset")
    with pytest.raises(SettingsRefused, match="CLOCK_OFFSET_FILE works only with APP_ENV=sandbox"):
        load()
