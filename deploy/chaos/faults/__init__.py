"""Faults that can be injected into a stack: each is a function in a file of this folder, found by its decorator.

A fault returns when it is over and everything that it changed is restored.
"""

import importlib
import pkgutil
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import sqlalchemy as sa

from configs.desk import Desk
from deploy.chaos.capabilities import Capabilities
from deploy.chaos.deliveries import deliveries
from deploy.chaos.inbox import InboxReader
from deploy.chaos.journal import OpenedSlot, OpeningJournal, Spell
from deploy.chaos.processes import ChaosProcesses
from deploy.chaos.s3_stub import S3Stub
from deploy.chaos.sandbox_control import SandboxControl, plannings_of
from deploy.chaos.server_restarter import ServerRestarter
from deploy.chaos.shop import Shop
from deploy.chaos.subscribers import Reached
from deploy.local.stack import Stack


@dataclass(frozen=True)
class Field:
    """All that a fault may reach, and its own dice."""

    stack: Stack
    outside: SandboxControl
    inbox: InboxReader
    victims: ChaosProcesses
    restarter: ServerRestarter
    journal: OpeningJournal
    desks: tuple[Desk, ...]
    engine: sa.Engine
    world: Capabilities
    store: S3Stub
    shop: Shop
    redis_snapshot: Path
    rng: random.Random

    def quiet_desk(self) -> Desk:
        """Return a desk without any open slot: its next one is news, told at once."""
        busy = {opening.desk_id for opening in self.journal.openings if opening.taken_at is None}
        free = [desk for desk in self.desks if desk.id not in self.outside.reserved]
        return self.rng.choice([desk for desk in free if desk.id not in busy] or free)

    def open_anywhere(self) -> OpenedSlot:
        """Open a slot at any desk that no fault holds."""
        with self.outside.choosing:
            free = [desk for desk in self.desks if desk.id not in self.outside.reserved]
            return self.outside.open(self.rng.choice(free), self.rng)

    @contextmanager
    def reserved_desk(self) -> Iterator[Desk]:
        """Hold a desk of several places, without an open slot where there is one, while the block lasts."""
        busy = {opening.desk_id for opening in self.journal.openings if opening.taken_at is None}
        with self.outside.choosing:
            several = [desk for desk in self.desks if len(plannings_of(desk)) > 1]
            desk = self.rng.choice([desk for desk in several if desk.id not in busy] or several)
            self.outside.reserved.add(desk.id)
        try:
            yield desk
        finally:
            self.outside.reserved.discard(desk.id)

    def reached_by(self, opening: OpenedSlot) -> set[Reached]:
        """Return who has heard of a slot so far."""
        found = deliveries(self.engine, self.inbox.messages(), self.journal)
        messages = [each.message for each in found if opening.slot in each.slots]
        return {(message.channel, message.address) for message in messages}


Act = Callable[[Field, Spell], None]


@dataclass(frozen=True)
class Fault:
    """One kind of harm.

    `holds`: what it needs for itself, so that two faults do not bend the same thing at once. `names`: the part that
    /api/health must call down meanwhile. `alone`: it waits for a certain moment, which others would spoil.
    `needs`: what the machine must allow. `harmless`: whoever waits for an alert must not notice it.
    """

    name: str
    act: Act
    holds: frozenset[str]
    names: str | None
    alone: bool
    needs: str | None
    harmless: bool
    weight: int


_FAULTS: dict[str, Fault] = {}


def fault(
    *holds: str,
    names: str | None = None,
    alone: bool = False,
    needs: str | None = None,
    harmless: bool = False,
    weight: int = 1,
) -> Callable[[Act], Act]:
    """Make a function a fault of its own name."""

    def keep(act: Act) -> Act:
        # Health must have somebody to answer while it is to name a part.
        held = frozenset(holds) | ({"gunicorn"} if names else set())
        name = act.__name__.replace("_", "-")
        _FAULTS[name] = Fault(name, act, held, names, alone, needs, harmless, weight)
        return act

    return keep


@lru_cache(maxsize=1)
def faults() -> dict[str, Fault]:
    """Return all faults by name."""
    for module in pkgutil.iter_modules(__path__):
        importlib.import_module(f"{__name__}.{module.name}")
    return dict(sorted(_FAULTS.items()))
