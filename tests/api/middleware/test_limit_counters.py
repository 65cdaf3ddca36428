import socket
from collections.abc import Callable

import pytest
import redis

from api.errors import ApiError
from api.middleware import limit_counters
from api.middleware.limit_counters import check_limit, hit_limit


def test_one_too_many_is_refused_and_told_how_long_to_wait(redis_server: redis.Redis) -> None:
    for _ in range(2):
        hit_limit("2 per minute", "camille")
    with pytest.raises(ApiError) as refused:
        hit_limit("2 per minute", "camille")
    assert refused.value.status == 429
    assert refused.value.detail == "more than 2 in 1 minute: wait as long as Retry-After says"
    assert 0 < int(refused.value.headers["Retry-After"]) <= 60
    hit_limit("2 per minute", "robin")


def test_a_check_counts_nothing(redis_server: redis.Redis) -> None:
    for _ in range(3):
        check_limit("1 per minute", "camille")
    hit_limit("1 per minute", "camille")
    with pytest.raises(ApiError):
        check_limit("1 per minute", "camille")


def test_without_redis_nothing_is_counted(settings_env: Callable[..., None]) -> None:
    settings_env(REDIS_URL="redis://127.0.0.1:1/0")
    for _ in range(3):
        hit_limit("1 per minute", "camille")


def test_a_redis_that_hangs_delays_one_request_and_not_each(
    monkeypatch: pytest.MonkeyPatch, settings_env: Callable[..., None]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as hanging:  # takes connections and never answers
        settings_env(REDIS_URL=f"redis://127.0.0.1:{hanging.getsockname()[1]}/0")
        asked: list[object] = []
        monkeypatch.setattr(limit_counters, "PATIENCE", 0.05)
        monkeypatch.setattr(limit_counters.log, "warning", lambda *_, **__: asked.append(_))
        for _ in range(3):
            hit_limit("1 per minute", "camille")
        assert len(asked) == 1
        limit_counters._get_outage.cache_clear()
        hit_limit("1 per minute", "camille")
        assert len(asked) == 2
