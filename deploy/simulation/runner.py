"""Plays a world for some hours: planner, due queue, visits and records are the product's own."""

import asyncio
import math
import os
import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic

import redis
import sqlalchemy as sa

from api.models.base import session
from api.models.desk import DeskState
from api.models.partitions import make_partitions
from configs.clock import clock
from configs.prefecture import desks
from configs.settings import settings
from crawler.planner import Planner
from crawler.scheduling import due_queue
from deploy.simulation.cpu import spent_cpu
from deploy.simulation.spider import PlayedSpider, SimulatedSpider
from deploy.simulation.virtual_time_loop import simulate
from deploy.simulation.world import START, SimulatedWorld

_STEP = 60.0  # simulated seconds in which the real clock is compared
_AWAY = ("sandbox", "test")


class NotHere(RuntimeError):
    """A simulation fills the tables: it plays only where there is nothing to spoil."""


class TooSlow(RuntimeError):
    """This Redis forgets by the real clock: simulated time must never be the slower one."""


@dataclass(frozen=True)
class Course:
    """How it is played.

    `look`: simulated seconds between two looks of the planner; `empty_redis_at`: hours until Redis is emptied, and
    from then until it is again.
    """

    hours: float = 4
    spiders: int = 1
    look: float = 10.0
    latency: tuple[float, float] = (0.1, 0.6)
    empty_redis_at: float | None = None
    seed: int = 1


@dataclass
class Played:
    """What was played, and what it took."""

    world: SimulatedWorld
    course: Course
    took: float = 0.0  # real seconds
    cpu: dict[str, float] = field(default_factory=dict)  # seconds of each program
    lateness: list[float] = field(default_factory=list)  # simulated seconds of each claim


@contextmanager
def desk_files(world: SimulatedWorld) -> Iterator[None]:
    """Let PREFECTURES_DIR be this world's desks while the block lasts.

    Raises:
        NotHere: this is no sandbox, or its tables are in use.
    """
    if settings().app_env not in _AWAY:
        raise NotHere(f"APP_ENV={settings().app_env}: a simulation plays in sandbox or test only")
    with session() as rows:
        if rows.scalar(sa.select(DeskState.id).limit(1)):
            raise NotHere("the database has desks already: give the simulation an empty one")
    before = os.environ.get("PREFECTURES_DIR")
    with TemporaryDirectory(prefix="rdv-simulation-") as folder:
        world.write_desks(Path(folder))
        os.environ["PREFECTURES_DIR"] = folder
        settings.cache_clear()
        try:
            yield
        finally:
            os.environ.pop("PREFECTURES_DIR")
            if before is not None:
                os.environ["PREFECTURES_DIR"] = before
            settings.cache_clear()


def play(world: SimulatedWorld, course: Course) -> Played:
    """Play it from START on; the tables keep what the product wrote.

    Raises:
        NotHere: see `desk_files`.
        TooSlow: this machine needs longer than the simulated time.
    """
    played = Played(world, course)
    with desk_files(world), due_queue.connect() as client:
        with session() as rows:  # the simulated days are none that a migration makes
            make_partitions(rows, START.date(), math.ceil(course.hours / 24) + 1)
        world.write_people()
        # Counting on from what Redis knows: a token that it lacks is drawn, and jitter and turns follow from tokens.
        client.mset({f"token:{desk_id}": 0 for desk_id in desks()})
        before, began = spent_cpu(client), monotonic()
        try:
            simulate(_Play(played, client).run(), START)
        except ExceptionGroup as failed:
            while isinstance(failed, ExceptionGroup):
                failed = failed.exceptions[0]
            raise failed from None
        played.took = monotonic() - began
        played.cpu = {name: spent - before[name] for name, spent in spent_cpu(client).items()}
    return played


def _keep_expired(client: redis.Redis) -> bool:
    """Let this connection see keys that expired by the real clock; tell whether Redis keeps them.

    What counts are the instants in its keys. https://valkey.io/commands/client-import-source/
    """
    try:
        client.execute_command("CLIENT IMPORT-SOURCE", "ON")  # type: ignore[no-untyped-call]
    except redis.ResponseError:
        return False
    return True


class _Play:
    def __init__(self, played: Played, client: redis.Redis) -> None:
        self._played, self._client = played, client

    async def run(self) -> None:
        course = self._played.course
        chance = random.Random(course.seed)  # noqa: S311 -- no secret
        spider = PlayedSpider.over(self._played.world.sites, lambda: chance.uniform(*course.latency))
        processes = [SimulatedSpider(spider, self._client) for _ in range(course.spiders)]
        try:
            async with asyncio.TaskGroup() as group:
                working = [group.create_task(self._keep_up()), group.create_task(self._plan())]
                working += [group.create_task(each.serve()) for each in processes]
                if course.empty_redis_at is not None:
                    working.append(group.create_task(self._empty(course.empty_redis_at * 3600)))
                await asyncio.sleep(course.hours * 3600)
                for task in working:
                    task.cancel()
        finally:
            for each in processes:
                await each.end()
                self._played.lateness += each.lateness

    async def _plan(self) -> None:
        planner = Planner(self._client)
        while True:
            planner.run_once(clock())
            await asyncio.sleep(self._played.course.look)

    async def _empty(self, at: float) -> None:
        while True:
            await asyncio.sleep(at)
            self._client.flushdb()

    async def _keep_up(self) -> None:
        while True:
            began = monotonic()
            keeps = _keep_expired(self._client)  # each minute: a new connection does not have the option
            await asyncio.sleep(_STEP)
            if not keeps and monotonic() - began > _STEP:
                raise TooSlow(
                    "a simulated minute took longer than a real one, by which this Redis forgets: play fewer desks, "
                    "or let make simulate start Valkey 8.1 or later"
                )
