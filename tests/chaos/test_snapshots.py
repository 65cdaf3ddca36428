"""The fault that restores Redis from an older snapshot: it comes back with what it held then."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import redis

from configs.clock import clock
from deploy.chaos.faults import Field, servers
from deploy.chaos.journal import Spell
from deploy.chaos.snapshots import save_redis
from deploy.local.restartable_server import RestartableServer
from deploy.local.valkey import start_valkey


def test_redis_comes_back_with_what_it_held_when_it_was_saved(field: Field, tmp_path: Path) -> None:
    folder = tmp_path / "redis"
    valkey = start_valkey(folder)
    kept = RestartableServer("Redis", valkey, partial(start_valkey, folder, port=valkey.port))

    @contextmanager
    def down(_: str) -> Iterator[None]:
        kept.stop()
        yield
        assert kept.revive()

    try:
        client = redis.Redis.from_url(valkey.url())
        client.set("token", 7)
        save_redis(folder, field.redis_snapshot)
        client.set("token", 400)
        client.set("since", "then")
        stack: Any = SimpleNamespace(state=tmp_path, environment={"REDIS_URL": valkey.url()})
        restarter: Any = SimpleNamespace(down=down)
        servers.restore_older_redis(
            replace(field, stack=stack, restarter=restarter), Spell("restore-older-redis", clock())
        )
        assert client.get("token") == b"7"
        assert client.get("since") is None
    finally:
        kept.stop()
