"""Desk files of the tests' own (three desks, two of them on one host), and the due queue's client."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
import time_machine

from api.models.base import session
from api.models.desk import DeskState
from configs.world.desk import Desk
from configs.world.prefecture import desks
from crawler.planner import Planner
from crawler.scheduling import due_queue
from tests.crawler.checks import HOST, NOW
from tests.crawler.held import _held, held  # noqa: F401 -- fixtures
from tests.sample_desk_files import desk_entry, host_entry, prefecture_file

WITHIN = "evry_91"


@pytest.fixture
def no_sleep(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[float]]:
    """Let this thread's `asyncio.sleep` take no time from the call on; return what it is asked for, in seconds.

    Other threads sleep on: the held spider's loop lives as long as its process. `no_sleep(act)`: what happens meanwhile.
    """
    slept: list[float] = []
    here, sleep = threading.get_ident(), asyncio.sleep
    meanwhile: Callable[[], object]

    async def noted(seconds: float) -> None:
        if threading.get_ident() == here:
            slept.append(seconds)
            if seconds >= 1:
                meanwhile()
            seconds = 0
        await sleep(seconds)

    def begin(act: Callable[[], object] = lambda: None) -> list[float]:
        nonlocal meanwhile
        meanwhile = act
        monkeypatch.setattr(asyncio, "sleep", noted)
        return slept

    return begin


@pytest.fixture
def client(redis_server: redis.Redis) -> Iterator[redis.Redis]:
    """Give a client of the due queue, as planner and writer have it."""
    with due_queue.connect() as connected:
        yield connected


@pytest.fixture
def desk_files(tmp_path: Path, settings_env: Callable[..., None]) -> Callable[..., dict[str, Desk]]:
    """Write desk files: `desk_files(a="127.77.0.91:8800", …)`, slug → host; return the desks by slug."""

    def write(
        *, grade: str = "confirmed", interval: int | None = None, budget: int = 60, **hosts: str
    ) -> dict[str, Desk]:
        folder = tmp_path / "prefectures"
        folder.mkdir(exist_ok=True)
        entries = [
            desk_entry(
                slug,
                f"http://{host}/booking/create/{23014 + number}",
                NOW.date(),
                label=f"Guichet {slug}",
                procedures=("NATURALISATION", "TITRE_SEJOUR"),
                grade=grade,
                site="Évry",
                interval=interval,
            )
            for number, (slug, host) in enumerate(hosts.items())
        ]
        port = next(iter(hosts.values())).partition(":")[2]
        rule = host_entry(f"127.77.0.91:{port}", budget, "a stand-in")
        text = prefecture_file(tier=2, hosts=[rule], desks=entries, capital="Évry")
        (folder / f"{WITHIN}.yaml").write_text(text)
        settings_env(PREFECTURES_DIR=folder)
        return {desk.slug: desk for desk in desks().values()}

    return write


@pytest.fixture
def planned_desks(
    database: str, desk_files: Callable[..., dict[str, Desk]], frozen: time_machine.Traveller
) -> Callable[..., dict[str, Desk]]:
    """Write desk files as `desk_files` does, and the desks' rows: wished every 60 s, and their hosts have room."""

    def write(**given: Any) -> dict[str, Desk]:
        found = desk_files(**given)
        with session() as rows:
            rows.add_all(
                DeskState(id=desk.id, wished_seconds=60, share_seconds=30) for desk in found.values()
            )
        return found

    return write


@pytest.fixture
def plan(
    database: str,
    client: redis.Redis,
    desk_files: Callable[..., dict[str, Desk]],
    frozen: time_machine.Traveller,
) -> Planner:
    """Give a planner of three desks of a tier 2 prefecture, a and b on one host; it has not looked yet."""
    desk_files(a=HOST, b=HOST, c="127.77.0.92:8800")
    return Planner(client)


@pytest.fixture
def three_desks(
    database: str,
    redis_server: redis.Redis,
    desk_files: Callable[..., dict[str, Desk]],
    frozen: time_machine.Traveller,
) -> dict[str, Desk]:
    """Write three desks, a and b on one host."""
    return desk_files(a=HOST, b=HOST, c="127.77.0.92:8800")
