"""Rounds of seeded random faults: slots open, faults strike, and the stack has to recover by itself."""

import random
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from http.client import HTTPException

import psutil
import redis
import sqlalchemy as sa

from configs.ground.clock import clock
from deploy.sandbox.request_body import Refusal
from tests.lab.chaos.accounting import DeliveryAccount, settle
from tests.lab.chaos.books import Book, read_proofs
from tests.lab.chaos.deliveries import deliveries
from tests.lab.chaos.field import Fault, Field
from tests.lab.chaos.journal import OpenedSlot
from tests.lab.chaos.outside import HealthMonitor

# What a fault may meet that another one bent; whatever else it raises is a bug of its own.
_MISSES = (
    TimeoutError, OSError, HTTPException, RuntimeError, Refusal, redis.RedisError, sa.exc.SQLAlchemyError,
    psutil.Error,
)  # fmt: skip
_TOGETHER = 5  # faults at once
_KEPT = 0.3  # of the openings stay open through the next round: they must not be told again
_NEWEST = 12  # openings that may stay so
_MOST_OPEN = 6  # an open desk costs eight times the requests


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
        self._field, self._watch, self._seed, self._say = field, watch, seed, say
        self.bound = bound
        self._desks = {desk.id: desk for desk in field.desks}
        self._kept: set[str] = set()  # keys of proofs
        self.rounds: list[FaultRound] = []

    def play(self, faults: Sequence[Fault]) -> None:
        """Inject faults together while slots open, then wait until all alerts arrived and health is good."""
        number, rng = len(self.rounds) + 1, self._field.rng
        played = FaultRound(number, [fault.name for fault in faults])
        self.rounds.append(played)
        self._open(rng.randint(1, 2))
        with ThreadPoolExecutor(len(faults) or 1) as hands:
            struck = [hands.submit(self._strike, fault, f"{number} {fault.name}") for fault in faults]
            while not all(each.done() for each in struck):
                time.sleep(rng.uniform(0.5, 1.5))
                if len(self._list_open()) < _MOST_OPEN:
                    self._open(1)
        for each in struck:
            each.result()
        self._open(1)
        began = time.monotonic()
        played.well = self._wait()
        played.took = time.monotonic() - began
        state = f"well after {played.took:4.1f} s" if played.well else f"NOT WELL ({self._watch.last()})"
        self._say(f"{number:3} {state}, {len(self._field.journal.kills):3} kills, {', '.join(played.faults)}")
        for opening in self._list_open():
            if rng.random() > _KEPT or opening in self._field.journal.openings[:-_NEWEST]:
                self._field.outside.take(self._desks[opening.desk_id], opening)

    def account(self, bound: float | None = None) -> DeliveryAccount:
        """Do the account of alerts; with a bound of 0 without any patience."""
        field = self._field
        found = deliveries(field.engine, field.inbox.messages(), field.journal)
        return settle(field.journal, found, clock(), self.bound if bound is None else bound)

    def proven(self) -> Book:
        """Do the account of proofs."""
        return read_proofs(self._field.engine, self._field.journal, self._holds)

    def _holds(self, key: str) -> bool:
        if key not in self._kept and self._field.store.holds(key):
            self._kept.add(key)
        return key in self._kept

    def _strike(self, fault: Fault, dice: str) -> None:
        field = replace(self._field, rng=random.Random(f"{self._seed} {dice}"))
        with field.journal.spell(fault.name, harmless=fault.harmless) as spell:
            try:
                fault.act(field, spell)
            except _MISSES as error:
                spell.missed = str(error)
        if spell.missed:
            self._say(f"  {fault.name} missed: {spell.missed}")

    def _open(self, count: int) -> None:
        for _ in range(count):
            self._field.open_anywhere()

    def _list_open(self) -> list[OpenedSlot]:
        return [opening for opening in self._field.journal.openings if opening.taken_at is None]

    def _wait(self) -> bool:
        """Return whether every open slot was told to everybody, its proof is kept, and health says that all is well."""
        end = time.monotonic() + 2 * self.bound
        while time.monotonic() < end:
            if (code := self._field.stack.supervisor.poll()) is not None:
                raise RuntimeError(f"supervisord ended with {code}")
            if self._watch.is_well() and self._is_told():
                return True
            time.sleep(0.7)
        return False

    def _is_told(self) -> bool:
        try:
            return not (self.account(0.0).lost or self.proven().differences)
        except Exception:  # noqa: BLE001 -- the database is not back yet
            return False


def draw_faults(rng: random.Random, known: Sequence[Fault]) -> Iterator[list[Fault]]:
    """Yield, for ever, faults that may strike together: cards of a shuffled deck, in which each has its weight."""
    deck: list[Fault] = []
    while True:
        if not deck:
            deck = [fault for fault in known for _ in range(fault.weight)]
            rng.shuffle(deck)
        yield _draw_wave(deck, rng.randint(3, _TOGETHER))


def _draw_wave(deck: list[Fault], most: int) -> list[Fault]:
    """Take the first card, and others that it gets along with."""
    wave = [deck.pop(0)]
    for fault in [] if wave[0].alone else list(deck):
        held = {thing for other in wave for thing in other.held}
        if len(wave) < most and not fault.alone and not held & fault.held:
            wave.append(fault)
            deck.remove(fault)
    return wave
