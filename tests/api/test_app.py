from collections.abc import Callable
from importlib.metadata import entry_points

import pytest
import redis
from click import Command

import notifier
from api.app import create_app
from api.models.notification import Notification
from configs.settings import SettingMissing, settings
from notifier.delivery import nudges
from tests.api.world import PREFECTURES
from tests.factories import PASSWORD, rows


def test_without_a_secret_or_redis_it_does_not_start_and_says_what_is_missing(
    settings_env: Callable[..., None],
) -> None:
    settings_env(JWT_SECRET="", REDIS_URL="redis://127.0.0.1:1/0")
    with pytest.raises(SettingMissing, match="JWT_SECRET is not set"):
        create_app()
    settings_env(JWT_SECRET="0123456789abcdef-0123456789abcdef-tests", REDIS_URL="")
    with pytest.raises(SettingMissing, match="REDIS_URL is not set"):
        create_app()


def test_flask_knows_the_commands() -> None:
    known = {each.name: each.load() for each in entry_points(group="flask.commands")}
    assert all(isinstance(each, Command) for each in known.values())
    assert known.keys() >= {"admin", "forget", "grant", "push-keys", "rekey"}


def test_what_is_registered_stays_when_redis_goes_away_after_the_commit(
    database: str,
    redis_server: redis.Redis,
    settings_env: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings_env(PREFECTURES_DIR=PREFECTURES)
    monkeypatch.setattr(notifier, "nudge", nudges.nudge)  # the real one
    client = create_app().test_client()
    monkeypatch.setenv(
        "REDIS_URL", "redis://127.0.0.1:1/0"
    )  # what the front door reads; the limits keep theirs
    settings.cache_clear()
    answer = client.post("/api/auth/register", json={"email": "camille@example.org", "password": PASSWORD})
    assert answer.status_code == 202
    assert len(rows(Notification)) == 1
