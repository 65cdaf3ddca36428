"""Deployed files that a program refuses: what is wrong with them, in Redis. Health reads it."""

import socket
from datetime import datetime, timedelta
from typing import cast

from pydantic import BaseModel, ConfigDict
from redis import Redis

from configs.clock import clock

KEY = "refused:files"  # hash, program@machine → RefusedFiles as JSON
FRESH = timedelta(seconds=60)


class RefusedFiles(BaseModel):
    """What a program of one machine refused at `at`, for the first time at `since` (UTC); it runs what it had.

    `reason` names files without their folders: a stranger may read it.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    at: datetime
    since: datetime
    program: str
    machine: str
    reason: str


def publish_refusal(client: Redis, program: str, since: datetime, reason: str) -> None:
    """Say what this program refuses; Redis forgets it after FRESH.

    Raises:
        redis.RedisError: Redis is away.
    """
    machine = socket.gethostname()
    report = RefusedFiles(at=clock(), since=since, program=program, machine=machine, reason=reason)
    with client.pipeline() as calls:
        calls.hset(KEY, f"{program}@{machine}", report.model_dump_json())
        calls.expire(KEY, FRESH)
        calls.execute()


def withdraw_refusal(client: Redis, program: str) -> None:
    """Say that this program refuses nothing.

    Raises:
        redis.RedisError: Redis is away.
    """
    client.hdel(KEY, f"{program}@{socket.gethostname()}")


def read_refusals(client: Redis) -> list[RefusedFiles]:
    """Return what programs refused within FRESH, by program and machine.

    Raises:
        redis.RedisError: Redis is away.
    """
    said = cast("dict[bytes, bytes]", client.hgetall(KEY))
    reports = [RefusedFiles.model_validate_json(text) for _, text in sorted(said.items())]
    return [each for each in reports if abs(clock() - each.at) <= FRESH]  # a clock ahead makes nothing fresh
