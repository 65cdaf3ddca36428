"""Journal of a chaos run: openings of slots, kills, faults, provider outages. Written by many threads, read at the end."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from api.models.user import Channel
from configs.ground.clock import clock
from tests.lab.chaos.periods import SMS_UNKNOWN, SMS_UNKNOWN_COPIES, UNKNOWN_COPIES

_CLOCKS = timedelta(seconds=5)  # a program takes a while with what it began in another time
Slot = tuple[str, datetime]  # desk, the instant that is bookable: no instant of a desk is opened twice
TOLD_WITHIN = 75.0  # seconds after the end of an outage whose answers prove that nothing was accepted
_UNKNOWN_LEAST, _UNKNOWN_SHARE = 60.0, 1 / 3  # seconds, and of the outage's length
_MARGIN = TOLD_WITHIN - _UNKNOWN_LEAST


SILENT = "yes_without_answer"
BREAKS = "error_500_after"  # of SMS, chats and calls alone: a 500 proves nothing there
ACCEPTING = (SILENT, BREAKS)
# The stand-in's modes of a provider that is out, and their parameters; what was accepted in some is not known.
MODES: dict[str, dict[str, Any]] = {
    **{each: {} for each in ("refuse", "reset", "error_500", "timeout", SILENT)},
    "rate_limited": {"seconds": 2},
}
_UNKNOWN_FATE = ("reset", "timeout", *ACCEPTING)


@dataclass(frozen=True)
class ProviderOutage:
    """One provider outage: what it did to a channel."""

    channel: Channel
    mode: str

    def seconds_to_tell(self, length: float) -> float:
        """Return how long after an outage of `length` seconds a message may still be on its way."""
        is_unknown = self.mode in _UNKNOWN_FATE or (
            self.mode == "error_500" and self.channel is not Channel.EMAIL
        )
        if not is_unknown:
            return TOLD_WITHIN
        least = max(_UNKNOWN_LEAST, SMS_UNKNOWN if self.channel is Channel.SMS else 0.0)
        return max(least, _UNKNOWN_SHARE * length) + _MARGIN

    @property
    def most_copies(self) -> int:
        """Copies of one message that may be accepted: more than one only where no yes is heard."""
        if self.mode not in ACCEPTING:
            return 1
        return SMS_UNKNOWN_COPIES if self.channel is Channel.SMS else UNKNOWN_COPIES


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

    def covers(self, at: datetime, slack: timedelta) -> bool:
        """Whether it lasted at an instant, or so long before or after it."""
        return self.began_at - slack <= at <= (self.ended_at or at) + slack


@dataclass
class OpeningJournal:
    """All of it, in the order of time."""

    openings: list[OpenedSlot] = field(default_factory=list)
    kills: list[Kill] = field(default_factory=list)
    spells: list[Spell] = field(default_factory=list)
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

    def has_died(self, kinds: tuple[str, ...], begin: datetime, end: datetime) -> bool:
        """Whether a process of these kinds, named by the beginning of their names, was killed between the two."""
        return any(kill.who.startswith(kinds) and begin <= kill.at <= end for kill in self.kills)

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
