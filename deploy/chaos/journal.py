"""Journal of a chaos run: openings of slots, kills, faults. Written by many threads, read at the end."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from configs.clock import clock
from deploy.chaos.outages import ProviderOutage

_CLOCKS = timedelta(seconds=5)  # a program takes a while with what it began in another time
Slot = tuple[str, datetime]  # desk, the instant that is bookable: no instant of a desk is opened twice


@dataclass
class OpenedSlot:
    """One slot that a stand-in showed from `opened_at` to `taken_at` (None: it is still there).

    `place`: the counter, as the tables key it.
    """

    desk_id: str
    place: str
    instant: datetime
    opened_at: datetime
    taken_at: datetime | None = None

    @property
    def slot(self) -> Slot:
        """Return what the tables know it by."""
        return self.desk_id, self.instant


@dataclass(frozen=True)
class Kill:
    """One process that was ended without being asked."""

    who: str
    pid: int
    at: datetime


@dataclass
class Spell:
    """One fault from its beginning to its end; `missed` says why it could not be inflicted.

    `silences` names the channel whose provider gave no answer meanwhile. `harmless`: it excuses no late message.
    `loses_receipts`: of what providers accepted meanwhile some receipts never come.
    """

    fault: str
    began_at: datetime
    ended_at: datetime | None = None
    missed: str = ""
    silences: str | None = None
    harmless: bool = False
    loses_receipts: bool = False
    outage: ProviderOutage | None = None
    clock_offset: timedelta | None = None  # by which the programs' clock was off meanwhile
    said: bool | None = None  # whether health named what was down; None where nothing had to be named


@dataclass
class OpeningJournal:
    """All of it, in the order of time."""

    openings: list[OpenedSlot] = field(default_factory=list)
    kills: list[Kill] = field(default_factory=list)
    spells: list[Spell] = field(default_factory=list)
    figures: dict[str, float] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def note_opening(self, opening: OpenedSlot) -> OpenedSlot:
        """Note an opening."""
        with self._lock:
            self.openings.append(opening)
        return opening

    def killed(self, who: str, pid: int) -> None:
        """Note a kill, now."""
        with self._lock:
            self.kills.append(Kill(who, pid, clock()))

    def measured(self, figure: str, value: float) -> None:
        """Keep the worst value of a figure."""
        with self._lock:
            self.figures[figure] = max(value, self.figures.get(figure, value))

    def real_instant(self, told: datetime) -> datetime:
        """Return when it really was what the programs' clock told: it may have been off."""
        for spell in self.spells:
            if offset := spell.clock_offset:
                begin, end = spell.began_at - _CLOCKS, (spell.ended_at or clock()) + _CLOCKS
                if begin <= told - offset <= end:
                    return told - offset
        return told

    @contextmanager
    def spell(self, fault: str, *, harmless: bool = False) -> Iterator[Spell]:
        """Note a fault for as long as the block lasts."""
        spell = Spell(fault, clock(), harmless=harmless)
        with self._lock:
            self.spells.append(spell)
        try:
            yield spell
        finally:
            spell.ended_at = clock()
