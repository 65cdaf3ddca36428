"""Who runs: what each spider process says of itself in Redis. The keeper and `make status` read it.

`processes` is a set of names, `process:<name>` a hash, renewed with the lease each SEAT_RENEW_SECONDS and gone
SEAT_SECONDS after its process fell silent: a name without a hash is nobody's any more. A process tells its own
memory, so that a keeper needs to see no process, whatever machine it runs on. Its fields, all texts:

    name     host:pid, as checks are signed
    system   the booking system whose desks it checks
    job      scrapyd's id of its job; empty where it was started by hand
    pid      its process id, on its own machine
    state    waiting (for a lease: it claims nothing yet), serving, ending (claims no more, its checks may end)
    holder   what stands in its lease's key, lease:<system>:<n>
    started  when it began, ISO 8601 in UTC
    version  of the code that it runs (crawler/spider_processes/identity.py)
    memory   resident, in MB; 0 where the system does not tell
    running  how many checks are under way
    checks   how many have ended since it began
"""

import os
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, cast

import redis.asyncio

from configs.clock import clock
from configs.settings import settings
from crawler.scheduling import lua_scripts
from crawler.scheduling.due_queue import Call, send
from crawler.scheduling.spider_lease import lease_keys
from crawler.spider_processes.identity import process_name, version

NAMES = "processes"
_MB = 1_000_000

State = Literal["waiting", "serving", "ending"]


@dataclass(frozen=True, slots=True)
class SpiderProcess:
    """One spider process, as it last spoke; the module says what each field is."""

    name: str
    system: str
    job: str
    pid: int
    state: State
    holder: str
    started: datetime
    version: str
    memory: int
    running: int
    checks: int


def current_process(system: str, job: str, holder: str) -> SpiderProcess:
    """Return this process, as it begins."""
    return SpiderProcess(
        process_name(), system, job, os.getpid(), "waiting", holder, clock(), version(), resident(), 0, 0
    )


async def publish(client: redis.asyncio.Redis, process: SpiderProcess) -> None:
    """Say who we are, until SEAT_SECONDS from now.

    Raises:
        redis.RedisError: Redis is away.
    """
    key = _key(process.name)
    told: Any = asdict(process) | {"started": process.started.isoformat()}
    async with client.pipeline() as pipeline:
        pipeline.hset(key, mapping=told)
        pipeline.pexpire(key, round(settings().seat_seconds * 1000))
        pipeline.sadd(NAMES, process.name)
        await pipeline.execute()


async def remove(client: redis.asyncio.Redis, name: str) -> None:
    """Take back what was told: the process ends.

    Raises:
        redis.RedisError: Redis is away; it is forgotten after SEAT_SECONDS all the same.
    """
    await client.delete(_key(name))
    await client.srem(NAMES, name)


def processes(client: redis.Redis) -> list[SpiderProcess]:
    """Return all that spoke lately, by name; strike out the names of those that are gone.

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
    return [_parse_process(told) for told in found if told]


def evict(client: redis.Redis, process: SpiderProcess) -> None:
    """Free the lease of a process that is surely dead, and forget it: its successor need not wait.

    Raises:
        redis.RedisError: Redis is away; the lease frees itself.
    """
    for key in lease_keys(process.system):
        send(client, Call(lua_scripts.RELEASE_LEASE, (key,), (process.holder,), bool))
    client.delete(_key(process.name))
    client.srem(NAMES, process.name)


def resident() -> int:
    """Return this process's resident memory in MB; 0 where there is no /proc."""
    try:
        pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
    except OSError:
        return 0
    return round(pages * os.sysconf("SC_PAGE_SIZE") / _MB)


def _parse_process(told: dict[str, str]) -> SpiderProcess:
    numbers = {name: int(told[name]) for name in ("pid", "memory", "running", "checks")}
    given: dict[str, Any] = told | numbers | {"started": datetime.fromisoformat(told["started"])}
    return SpiderProcess(**given)


def _key(name: str) -> str:
    return f"process:{name}"
