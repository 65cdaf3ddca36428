"""The desks of those tests that are about several on one host."""

from collections.abc import Callable

import pytest
import redis
import time_machine

from configs.world.desk import Desk


@pytest.fixture
def three_desks(
    database: str,
    redis_server: redis.Redis,
    desk_files: Callable[..., dict[str, Desk]],
    frozen: time_machine.Traveller,
) -> dict[str, Desk]:
    """Write three desks, a and b on one host."""
    return desk_files(a="127.77.0.91:8800", b="127.77.0.91:8800", c="127.77.0.92:8800")
