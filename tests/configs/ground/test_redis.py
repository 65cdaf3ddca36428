"""Redis clients of the programs."""

from collections.abc import Callable

import pytest
import redis

from configs.ground.redis import redis_client
from configs.settings import SettingMissing


def test_no_call_waits_for_ever(redis_server: redis.Redis) -> None:
    with redis_client() as client:
        arguments = client.connection_pool.connection_kwargs
    assert 0 < arguments["socket_connect_timeout"] < 10
    assert 0 < arguments["socket_timeout"] < 60


def test_without_an_address_the_variable_is_named(bare: Callable[..., None]) -> None:
    with pytest.raises(SettingMissing, match="REDIS_URL is not set"):
        redis_client()
