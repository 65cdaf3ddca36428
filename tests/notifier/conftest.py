"""World of the notifier's tests: database, Redis and stand-ins together."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
import redis

from configs.ground.job_queues import queue

if TYPE_CHECKING:
    from deploy.sandbox.running import Running


@pytest.fixture
def queued(redis_server: redis.Redis) -> Callable[[str], list[tuple[str, list[Any]]]]:
    """Give a function that returns what waits in a queue: function and arguments, in order."""

    def look(name: str) -> list[tuple[str, list[Any]]]:
        return [(str(job.func_name), list(job.args)) for job in queue(name).get_jobs()]

    return look


@pytest.fixture
def whole(database: str, redis_server: redis.Redis, sandbox: "Running") -> "Running":
    """Give the stand-ins, with a database and a Redis beside them."""
    return sandbox
