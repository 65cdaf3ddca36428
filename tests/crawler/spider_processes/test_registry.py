import asyncio
import os
from collections.abc import Callable
from dataclasses import replace

import pytest
import redis

from crawler.scheduling import due_queue
from crawler.spider_processes import registry
from crawler.spider_processes.registry import SpiderProcess


@pytest.fixture(autouse=True)
def _ground(redis_server: redis.Redis, settings_env: Callable[..., None]) -> None:
    settings_env(SPEAKS_SECONDS="7")


def told(*all_of_them: SpiderProcess) -> list[SpiderProcess]:
    async def speak() -> None:
        client = due_queue.connect_async()
        for each in all_of_them:
            await registry.publish(client, each)
        await client.aclose()

    asyncio.run(speak())
    return known()


def known() -> list[SpiderProcess]:
    with due_queue.connect() as client:
        return registry.processes(client)


def test_what_a_process_says_of_itself_is_read_as_it_was_said() -> None:
    me = registry.current_process("prefenligne", "job-1")
    other = replace(me, name="elsewhere:7", state="ending", running=3, checks=9)
    assert told(me, other) == sorted([me, other], key=lambda each: each.name)
    assert (me.pid, me.state, me.job) == (os.getpid(), "serving", "job-1")


def test_it_is_forgotten_when_it_falls_silent(redis_server: redis.Redis) -> None:
    me = registry.current_process("prefenligne", "")
    told(me)
    assert 0 < redis_server.pttl(f"crawler:process:{me.name}") <= 7000
    redis_server.delete(f"crawler:process:{me.name}")
    assert known() == []
    assert redis_server.exists(registry.NAMES) == 0
