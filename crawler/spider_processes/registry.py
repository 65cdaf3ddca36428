"""Registry of spider processes in Redis: each writes its own state; the keeper and `make status` read it.

`processes` is a set of names (host:pid, as in checks.process), `process:<name>` a hash. It is renewed each
RENEWED_SECONDS and expires SPEAKS_SECONDS after the last time; a name without a hash is of a process that is gone or
hangs.

| field | |
| --- | --- |
| system | the queue that it serves |
| job | scrapyd's id of its job; empty where it was started by hand |
| state | serving, or ending: it claims no more, its checks may end |
| started | ISO 8601 in UTC |
| memory | resident, in MB, without its browser's; 0 where the operating system does not tell |
| running, checks | how many checks run now, how many have ended |
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import redis.asyncio

from configs.settings.constants import Constant

# How often a spider process renews its entry
RENEWED_SECONDS = Constant("RENEWED_SECONDS", 5.0)
# How long an entry stands that is not renewed
SPEAKS_SECONDS = Constant("SPEAKS_SECONDS", 15.0)

NAMES = "crawler:processes"
_MB = 1_000_000


async def publish(client: redis.asyncio.Redis, name: str, entry: Mapping[Any, str | int]) -> None:
    """Write our entry, which expires after SPEAKS_SECONDS.

    Raises:
        redis.RedisError: Redis is away.
    """
    async with client.pipeline() as pipeline:
        pipeline.hset(_key(name), mapping=entry)
        pipeline.pexpire(_key(name), round(SPEAKS_SECONDS() * 1000))
        pipeline.sadd(NAMES, name)
        await pipeline.execute()


async def remove(client: redis.asyncio.Redis, name: str) -> None:
    """Remove the entry of a process that ends.

    Raises:
        redis.RedisError: Redis is away; the entry expires after SPEAKS_SECONDS.
    """
    await client.delete(_key(name))
    await client.srem(NAMES, name)


def list_speaking(client: redis.Redis) -> set[str]:
    """Return the jobs of the live processes; remove the names of those whose entry expired.

    Raises:
        redis.RedisError: Redis is away.
    """
    names = list(cast("set[str]", client.smembers(NAMES)))
    with client.pipeline(transaction=False) as pipeline:
        for name in names:
            pipeline.hget(_key(name), "job")
        jobs: list[str | None] = pipeline.execute()
    if gone := [name for name, job in zip(names, jobs, strict=True) if job is None]:
        client.srem(NAMES, *gone)
    return {job for job in jobs if job}


def resident() -> int:
    """Return this process's resident memory in MB; 0 where there is no /proc."""
    try:
        pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
    except OSError:
        return 0
    return round(pages * os.sysconf("SC_PAGE_SIZE") / _MB)


def _key(name: str) -> str:
    return f"crawler:process:{name}"
