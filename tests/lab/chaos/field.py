"""The field of the faults: the stack, the world outside, the desks, and their own random numbers."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import redis
import sqlalchemy as sa

from configs.world.desk import Desk
from deploy.local.processes import wait_until
from deploy.local.stack import RestartableServer, Stack
from tests.lab.chaos.inbox import InboxReader
from tests.lab.chaos.journal import OpenedSlot, OpeningJournal, Spell
from tests.lab.chaos.looks import Looks
from tests.lab.chaos.outside import SandboxControl
from tests.lab.chaos.processes import ChaosProcesses, ProofStore
from tests.lab.chaos.shop import Shop

_BACK = 30.0  # seconds in which a server that died is to be revived


@dataclass(frozen=True)
class Field:
    """All that a fault may reach, and its own dice. `small_disk`: the state lies on a disk that may be filled."""

    stack: Stack
    outside: SandboxControl
    inbox: InboxReader
    victims: ChaosProcesses
    journal: OpeningJournal
    desks: tuple[Desk, ...]
    engine: sa.Engine
    store: ProofStore
    shop: Shop
    looks: Looks
    redis_snapshot: Path
    rng: random.Random
    small_disk: bool

    def quiet_desk(self) -> Desk:
        """Return a desk without any open slot: its next one is news, told at once."""
        busy = {opening.desk_id for opening in self.journal.openings if opening.taken_at is None}
        return self.rng.choice([desk for desk in self.desks if desk.id not in busy] or self.desks)

    def open_anywhere(self) -> OpenedSlot:
        """Open a slot at any desk."""
        return self.outside.open(self.rng.choice(self.desks), self.rng)

    def open_news(self) -> OpenedSlot:
        """Open a slot at a quiet desk."""
        return self.outside.open(self.quiet_desk(), self.rng)

    def read(self, query: sa.Executable, **values: Any) -> Any:
        """Return the first value of a query."""
        with self.engine.connect() as connection:
            return connection.scalar(query, values)

    def redis(self) -> redis.Redis:
        """Return a client of the stack's Redis."""
        return redis.Redis.from_url(self.stack.environment["REDIS_URL"], socket_timeout=2)

    def server(self, name: str) -> RestartableServer:
        """Return `PostgreSQL` or `Redis`."""
        return next(each for each in self.stack.servers if each.name == name)

    def pids(self, name: str) -> list[int]:
        """Return a server's process and those that it started."""
        main = psutil.Process(self.server(name).server.process.pid)
        return [main.pid, *(child.pid for child in main.children(recursive=True))]

    def wait_for_server(self, name: str) -> None:
        """Wait until `PostgreSQL` or `Redis` answers."""

        def answers() -> bool:
            try:
                return bool(self.redis().ping() if name == "Redis" else self.read(sa.text("SELECT 1")))
            except (redis.RedisError, sa.exc.SQLAlchemyError):
                return False

        wait_until(answers, what=name, seconds=_BACK)


Act = Callable[[Field, Spell], None]


@dataclass(frozen=True, slots=True)
class Fault:
    """One kind of harm: an act that returns when it is over and all that it changed is restored."""

    name: str
    act: Act
    holds: str = ""  # words: what it needs for itself, so that two faults do not bend the same thing at once
    alone: bool = False  # it waits for a certain moment, which others would spoil
    harmless: bool = False  # a subscriber who waits for an alert must not notice it
    weight: int = 1  # cards in the deck
    needs_disk: bool = False  # a small disk of its own

    @property
    def held(self) -> frozenset[str]:
        """Return what it holds."""
        return frozenset(self.holds.split())
