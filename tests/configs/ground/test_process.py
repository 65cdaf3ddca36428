"""The one clock: stepped by a file in the sandbox, as it is elsewhere."""

import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
import redis
import time_machine

from api.background import __main__ as background
from api.migrations import __main__ as migrations
from configs.ground.clock import clock, read_offset
from configs.ground.process_age import repeat_until_old
from configs.ground.redis import redis_client
from configs.settings import SettingMissing, SettingsRefused, load, settings
from notifier import dead_letters, sweep, workers
from tests.in_turn import in_turn


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


@in_turn("app_env", ["production", "development"])
def test_only_the_sandbox_may_step_its_clock(
    settings_env: Callable[..., None], tmp_path: Path, app_env: str
) -> None:
    settings_env(APP_ENV=app_env, CLOCK_OFFSET_FILE=tmp_path / "offset")
    with pytest.raises(SettingsRefused, match="CLOCK_OFFSET_FILE works only with APP_ENV=sandbox"):
        load()


def test_a_loop_ends_when_it_is_old(
    settings_env: Callable[..., None], frozen: time_machine.Traveller
) -> None:
    settings_env(WORKER_AGE_SECONDS="10")
    rounds = list[int]()

    def turn() -> None:
        rounds.append(1)
        frozen.shift(4.1)

    repeat_until_old(turn, 0.001, threading.Event())
    assert len(rounds) in {2, 3}  # 8 to 10 s


# A program that cannot start says in words what it lacks

PROGRAMS: dict[str, Callable[[], int]] = {
    "api.migrations": lambda: migrations.main(["upgrade"]),
    "notifier.dead_letters": lambda: dead_letters.main(["list"]),
    "the sweep": sweep.main,
    "the background program": lambda: background.main([]),
    "the notifier": lambda: workers.main([]),
}


@in_turn("name", PROGRAMS)
def test_what_is_wrong_is_said_and_not_traced(name: str, settings_env: Callable[..., None]) -> None:
    settings_env(PORT="soon")
    with pytest.raises(SystemExit, match=rf"{name} does not start: .*\n? *PORT"):
        PROGRAMS[name]()


# Redis clients of the programs


def test_no_call_waits_for_ever(redis_server: redis.Redis) -> None:
    with redis_client() as client:
        arguments = client.connection_pool.connection_kwargs
    assert 0 < arguments["socket_connect_timeout"] < 10
    assert 0 < arguments["socket_timeout"] < 60


def test_without_an_address_the_variable_is_named(bare: Callable[..., None]) -> None:
    with pytest.raises(SettingMissing, match="REDIS_URL is not set"):
        redis_client()
