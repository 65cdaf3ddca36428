"""Servers without a supervisor: killed, they are restarted with their data."""

from functools import partial
from pathlib import Path
from typing import Any

import redis

from deploy.local.postgres import start_postgres
from deploy.local.processes import StartFailed
from deploy.local.restartable_server import RestartableServer
from deploy.local.valkey import start_valkey
from tests.waiting import until


def killed(kept: RestartableServer) -> None:
    kept.server.process.kill()
    kept.server.process.wait()


def test_a_redis_that_was_killed_is_there_again_with_its_data(tmp_path: Path) -> None:
    server = start_valkey(tmp_path)
    kept = RestartableServer("Redis", server, partial(start_valkey, tmp_path, port=server.port))
    try:
        assert kept.revive() is None
        with redis.Redis.from_url(server.url()) as client:
            client.set("kept", "yes")
        until(lambda: any(b"kept" in file.read_bytes() for file in tmp_path.rglob("*.aof")))
        killed(kept)
        assert kept.revive() == "Redis ended: it was started again"
        with redis.Redis.from_url(server.url()) as client:
            assert client.get("kept") == b"yes"
        assert kept.revive() is None
    finally:
        kept.stop()


def test_a_postgresql_that_was_killed_is_there_again_with_its_data(tmp_path: Path) -> None:
    server = start_postgres(tmp_path)
    kept = RestartableServer("PostgreSQL", server, partial(start_postgres, tmp_path, port=server.port))
    try:
        assert server.create("kept")
        killed(kept)
        while (said := kept.revive()) != "PostgreSQL ended: it was started again":
            assert said is None or "does not start again yet" in said
        assert not server.create("kept")
    finally:
        kept.stop()


def test_a_server_that_does_not_come_back_is_said_once_and_tried_again(tmp_path: Path) -> None:
    tries: list[int] = []

    def again() -> Any:
        tries.append(1)
        raise StartFailed("Redis ended with 1")

    server = start_valkey(tmp_path, durable=False)
    kept = RestartableServer("Redis", server, again)
    server.stop()
    assert kept.revive() == "Redis ended and does not start again yet: Redis ended with 1"
    assert kept.revive() is None
    assert len(tries) == 2
