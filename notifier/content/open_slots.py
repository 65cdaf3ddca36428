"""Open slots of a desk: what limits accept and what matches named, for thousands of alerts at once.

Most alerts of a crowd have the same limits and were told of the same slots: each set is made once.
"""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from api.models.alert import Limits, Moment
from api.models.notification import read_ranges
from api.models.slot import SlotRow


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
    _passing: dict[Any, frozenset[int]] = field(default_factory=dict, init=False)
    _found: dict[str, frozenset[int]] = field(default_factory=dict, init=False)
    _listed: dict[frozenset[int], tuple[int, ...]] = field(default_factory=dict, init=False)

    @property
    def all_ids(self) -> set[int]:
        """Return their ids, and those of the gone slots that count as one of them."""
        return {*self.moments, *(gone for several in self.alike.values() for gone in several)}

    def find_passing(self, limits: Limits) -> frozenset[int]:
        """Return the slots that limits let pass."""
        days = limits.date_from, limits.date_to, tuple(limits.weekdays or ())
        key = days, limits.hour_from, limits.hour_to, tuple(limits.sites or ())
        if key not in self._passing:
            passing = (each for each, moment in self.moments.items() if limits.matches(moment))
            self._passing[key] = frozenset(passing)
        return self._passing[key]

    def find_alike(self, ranges: str) -> frozenset[int]:
        """Return the slots that have one of these ids, or count as the same as one."""
        if ranges not in self._found:
            spans = read_ranges(ranges)
            self._found[ranges] = frozenset(
                each
                for each in self.moments
                if _holds(spans, each) or any(_holds(spans, gone) for gone in self.alike.get(each, ()))
            )
        return self._found[ranges]

    def list_ids(self, slots: frozenset[int]) -> tuple[int, ...]:
        """Return slots in the order of their ids."""
        if slots not in self._listed:
            self._listed[slots] = tuple(sorted(slots))
        return self._listed[slots]


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
