"""Registry of spider processes in Redis: each writes its own state; the keeper and `make status` read it.

`processes` is a set of names, `process:<name>` a hash, all of whose fields are texts. It is renewed each
RENEWED_SECONDS and expires SPEAKS_SECONDS after the last time; a name without a hash is of a process that is gone or
hangs.
"""

import os
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, cast

import redis.asyncio
from pydantic import TypeAdapter

from configs.ground.clock import clock
from configs.settings.constants import Constant
from crawler.items import process_name

# How often a spider process renews its entry
RENEWED_SECONDS = Constant("RENEWED_SECONDS", 5.0)
# How long an entry stands that is not renewed
SPEAKS_SECONDS = Constant("SPEAKS_SECONDS", 15.0)

NAMES = "crawler:processes"
_MB = 1_000_000

State = Literal["serving", "ending"]


@dataclass(frozen=True, slots=True)
class SpiderProcess:
    """Entry of one spider process."""

    name: str  # host:pid, as in checks.process
    system: str  # the queue that it serves
    job: str  # scrapyd's id of its job; empty where it was started by hand
    pid: int  # on its own machine
    state: State  # ending: it claims no more, its checks may end
    started: datetime  # ISO 8601 in UTC
    memory: int  # resident, in MB, without its browser's; 0 where the operating system does not tell
    running: int  # checks that run now
    checks: int  # checks that have ended


_ENTRY = TypeAdapter(SpiderProcess)


def current_process(system: str, job: str) -> SpiderProcess:
    """Return this process, as it begins."""
    return SpiderProcess(process_name(), system, job, os.getpid(), "serving", clock(), resident(), 0, 0)


async def publish(client: redis.asyncio.Redis, process: SpiderProcess) -> None:
    """Write our entry, which expires after SPEAKS_SECONDS.

    Raises:
        redis.RedisError: Redis is away.
    """
    key = _key(process.name)
    async with client.pipeline() as pipeline:
        pipeline.hset(key, mapping=_ENTRY.dump_python(process, mode="json"))
        pipeline.pexpire(key, round(SPEAKS_SECONDS() * 1000))
        pipeline.sadd(NAMES, process.name)
        await pipeline.execute()


async def remove(client: redis.asyncio.Redis, name: str) -> None:
    """Remove the entry of a process that ends.

    Raises:
        redis.RedisError: Redis is away; the entry expires after SPEAKS_SECONDS.
    """
    await client.delete(_key(name))
    await client.srem(NAMES, name)


def processes(client: redis.Redis) -> list[SpiderProcess]:
    """Return the live processes by name; remove the names of those whose entry expired.

    Raises:
        redis.RedisError: Redis is away.
    """
    names = sorted(cast("set[str]", client.smembers(NAMES)))
    with client.pipeline(transaction=False) as pipeline:
        for name in names:
            pipeline.hgetall(_key(name))
        found: list[dict[str, Any]] = pipeline.execute()
    if gone := [name for name, told in zip(names, found, strict=True) if not told]:
        client.srem(NAMES, *gone)
    return [_ENTRY.validate_python(told) for told in found if told]


def resident() -> int:
    """Return this process's resident memory in MB; 0 where there is no /proc."""
    try:
        pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
    except OSError:
        return 0
    return round(pages * os.sysconf("SC_PAGE_SIZE") / _MB)


def _key(name: str) -> str:
    return f"crawler:process:{name}"
