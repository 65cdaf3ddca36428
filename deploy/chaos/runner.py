"""Rounds of seeded random faults: slots open, faults strike, and the stack has to recover by itself."""

import random
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from http.client import HTTPException

import redis
import sqlalchemy as sa

from configs.clock import clock
from deploy.chaos import proofs
from deploy.chaos.accounting import DeliveryAccount, settle
from deploy.chaos.deliveries import deliveries
from deploy.chaos.faults import Fault, Field
from deploy.chaos.health_monitor import HealthMonitor
from deploy.chaos.journal import OpenedSlot
from deploy.chaos.proofs import Proven
from deploy.sandbox.control_error import Refusal

# What a fault may meet that another one bent; whatever else it raises is a bug of its own.
_MISSES = (
    TimeoutError,
    OSError,
    HTTPException,
    RuntimeError,
    Refusal,
    redis.RedisError,
    sa.exc.SQLAlchemyError,
)
_TOGETHER = 5  # faults at once
_KEPT = 0.3  # of the openings stay open through the next round: they must not be told again


@dataclass
class FaultRound:
    """What one round was: the faults, and how long the stack took to be well afterwards (seconds)."""

    number: int
    faults: list[str]
    took: float = 0.0
    well: bool = False


class ChaosRunner:
    """Leads a stack through rounds. `bound`: what a message may take, in seconds; `say` prints a line."""

    def __init__(
        self, field: Field, watch: HealthMonitor, seed: int, bound: float, say: Callable[[str], None]
    ) -> None:
        self._seed = seed
        self.bound = bound
        self._field = field
        self._watch = watch
        self._say = say
        self._desks = {desk.id: desk for desk in field.desks}
        self._kept: set[str] = set()
        self.rounds: list[FaultRound] = []

    def play(self, faults: Sequence[Fault]) -> FaultRound:
        """Inject faults together while slots open, then wait until all alerts arrived and health is good."""
        number = len(self.rounds) + 1
        played = FaultRound(number, [fault.name for fault in faults])
        self.rounds.append(played)
        rng = self._field.rng
        self._open(rng.randint(1, 2))
        with ThreadPoolExecutor(len(faults) or 1) as hands:
            struck = [hands.submit(self._strike, fault, f"{number} {fault.name}") for fault in faults]
            while not all(each.done() for each in struck):
                time.sleep(rng.uniform(0.5, 1.5))
                if len(self._open_now()) < 6:  # noqa: PLR2004 -- an open desk costs eight times the requests
                    self._open(1)
        for each in struck:
            each.result()
        self._open(1)
        began = time.monotonic()
        played.well = self._wait()
        played.took = time.monotonic() - began
        self._hear(faults)
        self._say(self._line(played))
        for opening in self._open_now():
            if rng.random() > _KEPT or opening in self._field.journal.openings[:-12]:
                self._field.outside.take(self._desks[opening.desk_id], opening)
        return played

    def account(self) -> DeliveryAccount:
        """Hold the books."""
        field = self._field
        found = deliveries(field.engine, field.inbox.messages(), field.journal)
        return settle(field.journal, found, clock(), self.bound)

    def proven(self) -> Proven:
        """Hold the books of proofs."""
        return proofs.settle(
            self._field.journal, proofs.claims(self._field.engine, self._field.journal), self._holds
        )

    def _holds(self, key: str) -> bool:
        if key not in self._kept and self._field.store.holds(key):
            self._kept.add(key)
        return key in self._kept

    def _strike(self, fault: Fault, dice: str) -> None:
        field = replace(self._field, rng=random.Random(f"{self._seed} {dice}"))  # noqa: S311 -- chance, no secret
        with field.journal.spell(fault.name, harmless=fault.harmless) as spell:
            try:
                fault.act(field, spell)
            except _MISSES as error:
                spell.missed = str(error)
        if spell.missed:
            self._say(f"  {fault.name} missed: {spell.missed}")

    def _hear(self, faults: Sequence[Fault]) -> None:
        """Note whether health named what was down, from when it went until all was well again."""
        names = {fault.name: fault.names for fault in faults}
        for spell in self._field.journal.spells[-len(names) :]:
            if (part := names.get(spell.fault)) and not spell.missed:
                spell.said = self._watch.has_reported(part, spell.began_at, clock())

    def _open(self, count: int) -> None:
        for _ in range(count):
            self._field.open_anywhere()

    def _open_now(self) -> list[OpenedSlot]:
        return [opening for opening in self._field.journal.openings if opening.taken_at is None]

    def _wait(self) -> bool:
        """Wait until every open slot was told to everybody, its proof is kept, and health says that all is well.

        Return whether it came to that.
        """
        end = time.monotonic() + 2 * self.bound
        while time.monotonic() < end:
            if self._field.restarter.failure:
                raise RuntimeError(self._field.restarter.failure)
            if self._watch.is_well() and not self._missing():
                return True
            time.sleep(0.7)
        return False

    def _missing(self) -> int:
        """Count what open slots have not brought to their people yet, and proofs that are not kept yet."""
        field = self._field
        try:
            found = deliveries(field.engine, field.inbox.messages(), field.journal)
            unproven = len(self.proven().lost)
        except Exception:  # noqa: BLE001 -- the database is not back yet
            return 1
        # Without any patience: what is open must be told before the round is over.
        return len(settle(field.journal, found, clock(), 0.0).lost) + unproven

    def _line(self, played: FaultRound) -> str:
        state = f"well after {played.took:4.1f} s" if played.well else f"NOT WELL ({self._watch.last()})"
        kills = len(self._field.journal.kills)
        return f"{played.number:3} {state}, {kills:3} kills, {', '.join(played.faults)}"


def draw_faults(rng: random.Random, known: Sequence[Fault]) -> Iterator[list[Fault]]:
    """Yield, for ever, faults that may strike together: cards of a shuffled deck, in which each has its weight."""
    deck: list[Fault] = []
    while True:
        if not deck:
            deck = [fault for fault in known for _ in range(fault.weight)]
            rng.shuffle(deck)
        yield _wave(deck, rng.randint(3, _TOGETHER))


def _wave(deck: list[Fault], most: int) -> list[Fault]:
    """Take the first card, and others that it gets along with."""
    wave = [deck.pop(0)]
    for fault in [] if wave[0].alone else list(deck):
        held = {thing for other in wave for thing in other.holds}
        if len(wave) < most and not fault.alone and not held & fault.holds:
            wave.append(fault)
            deck.remove(fault)
    return wave
