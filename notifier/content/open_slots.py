"""Bit sets of open slots: what limits accept and what matches named, for thousands of alerts at once.

Bit n is the slot `ids[n]`. A pair of an alert and a slot costs a bit in place of a Python object; 5,000 slots are 625
bytes. A slot passes limits when its day, its hour and its site pass each for itself (api/models/alert.py), so that
limits are asked once per day, hour and site.
"""

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from api.models.alert import Limits, Moment
from api.models.notification import read_ranges
from api.models.slot import SlotRow

Bits = dict[Any, int]


class OpenedSlot(NamedTuple):
    """What matching needs of an open slot: a row of thousands that are looked at together."""

    id: int
    moment: str
    starts_at: datetime | None
    opened_at: datetime


AnySlot = SlotRow | OpenedSlot


@dataclass(slots=True)
class OpenSlots:
    """Slots of one desk, when the first opened and, by the id of each, the gone ones that count as the same."""

    moments: Mapping[int, Moment]
    oldest: datetime
    alike: Mapping[int, Sequence[int]] = field(default_factory=dict)
    ids: list[int] = field(init=False)
    _alike: Bits = field(default_factory=lambda: defaultdict(int), init=False)
    _by_day: Bits = field(default_factory=lambda: defaultdict(int), init=False)
    _by_hour: Bits = field(default_factory=lambda: defaultdict(int), init=False)
    _by_site: Bits = field(default_factory=lambda: defaultdict(int), init=False)
    _passing: Bits = field(default_factory=dict, init=False)
    _found: Bits = field(default_factory=dict, init=False)
    _chosen: dict[int, tuple[int, ...]] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        self.ids = sorted(self.moments)
        for number, slot_id in enumerate(self.ids):
            moment, bit = self.moments[slot_id], 1 << number
            self._by_day[moment.day] |= bit
            self._by_hour[moment.hour] |= bit
            self._by_site[moment.site] |= bit
            for gone in self.alike.get(slot_id, ()):
                self._alike[gone] |= bit

    @property
    def alike_ids(self) -> list[int]:
        """Return the ids of the gone slots that count as one of these."""
        return list(self._alike)

    def find_passing(self, limits: Limits) -> int:
        """Return the slots that limits let pass."""
        days = (limits.date_from, limits.date_to, tuple(limits.weekdays or ()))
        hours, sites = (limits.hour_from, limits.hour_to), tuple(limits.sites or ())
        key = days, hours, sites
        if key not in self._passing:
            self._passing[key] = (
                self._filter("day", days, self._by_day, limits)
                & self._filter("hour", hours, self._by_hour, limits)
                & self._filter("site", sites, self._by_site, limits)
            )
        return self._passing[key]

    def _filter(self, name: str, key: object, groups: Bits, limits: Limits) -> int:
        if (name, key) not in self._passing:
            passing = (bits for value, bits in groups.items() if limits.matches(Moment(**{name: value})))
            self._passing[name, key] = _join(passing)
        return self._passing[name, key]

    def find_alike(self, ranges: str) -> int:
        """Return the slots that have one of these ids, or count as the same as one."""
        if ranges not in self._found:
            spans = read_ranges(ranges)
            known = _join(self._between(span) for span in spans)
            known |= _join(bits for slot_id, bits in self._alike.items() if _holds(spans, slot_id))
            self._found[ranges] = known
        return self._found[ranges]

    def _between(self, span: range) -> int:
        first, end = bisect_left(self.ids, span.start), bisect_left(self.ids, span.stop)
        return ((1 << (end - first)) - 1) << first

    def list_ids(self, bits: int) -> tuple[int, ...]:
        """Return the ids of slots, in order."""
        if bits not in self._chosen:
            digits = f"{bits:b}"[::-1]
            self._chosen[bits] = tuple(
                each for each, digit in zip(self.ids, digits, strict=False) if digit == "1"
            )
        return self._chosen[bits]


def slot_moment(slot: AnySlot, zone: ZoneInfo, site: str | None) -> Moment:
    """Return a slot as limits see it: the desk's local date and hour, as far as they are known."""
    if slot.starts_at is not None:
        local = slot.starts_at.astimezone(zone)
        return Moment(local.date(), local.time(), site)
    if slot.moment == "open":
        return Moment(site=site)
    return Moment(date.fromisoformat(slot.moment[:10]), site=site)


def _holds(spans: Sequence[range], slot_id: int) -> bool:
    place = bisect_right(spans, slot_id, key=lambda span: span.start) - 1
    return place >= 0 and slot_id in spans[place]


def _join(several: Iterable[int]) -> int:
    joined = 0
    for each in several:
        joined |= each
    return joined
