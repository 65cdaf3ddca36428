"""Scaling: how many processes each queue should have, by how late its checks begin. Pure.

Time is cut into slices, four to SCALE_UP_SECONDS. A slice is late where the 95th percentile of its claims is: more than
one in twenty began over SCALE_LATE_SECONDS after host budgets, rests and visits allowed it (see ClaimCounts).

* After four late slices in a row one queue gets one process more, if a core is free. All queues then wait for four
  further ones: only then does the machines' load show the new process.
* After SCALE_DOWN_SECONDS of slices that are not late a queue gives one process back.

Slices are counted, not seconds, so that a step of the clock is worth one slice at most.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from math import ceil
from typing import NamedTuple

from configs.node_report import Share
from configs.settings import settings

_SLICES = 4
_LATE_SHARE = 0.05  # the 95th percentile is late where more than these are


@dataclass(frozen=True, slots=True)
class ClaimCounts:
    """Claims of a queue since Redis was last empty.

    `late` are those more than SCALE_LATE_SECONDS after the desk was due and the spider had last claimed all that it
    could. What a host's budget, rest or visit held back until then is not late: what is, full or slow spiders explain.
    """

    all: int = 0
    late: int = 0


class Bounds(NamedTuple):
    """How many processes a queue has at least, and may have at most."""

    least: int
    most: int


@dataclass(frozen=True, slots=True)
class QueueScale:
    """One queue: its number of processes, and how many slices in a row were late, or were not."""

    processes: int
    late: int = 0
    calm: int = 0


@dataclass(frozen=True, slots=True)
class Scaling:
    """State between two looks: the begin of the slice, the claims until then, and each queue."""

    since: datetime
    counts: Mapping[str, ClaimCounts] = field(default_factory=dict)
    queues: Mapping[str, QueueScale] = field(default_factory=dict)

    @property
    def wished(self) -> Share:
        """How many processes each queue should have."""
        return {queue: each.processes for queue, each in self.queues.items()}


def advance(
    before: Scaling,
    counts: Mapping[str, ClaimCounts],
    bounds: Mapping[str, Bounds],
    now: datetime,
    finds_free_core: Callable[[str], bool],
) -> Scaling:
    """Return the next state, whose queues are those of `bounds`.

    `finds_free_core` tells whether one process more of a queue would find one.
    """
    queues = {queue: _clamp(before.queues.get(queue), bound) for queue, bound in bounds.items()}
    if now < before.since or any(_went_back(before.counts.get(queue), counts[queue]) for queue in bounds):
        return Scaling(now, counts, queues)  # the clock was set back, or Redis was emptied
    if now - before.since < timedelta(seconds=settings().scale_up_seconds / _SLICES):
        return replace(before, queues=queues)
    judged = {
        queue: _shrink(_judge(each, before.counts.get(queue), counts[queue]), bounds[queue])
        for queue, each in queues.items()
    }
    return Scaling(now, counts, _grow(judged, bounds, finds_free_core))


def _clamp(known: QueueScale | None, bound: Bounds) -> QueueScale:
    known = known or QueueScale(bound.least)
    return replace(known, processes=max(bound.least, min(bound.most, known.processes)))


def _went_back(before: ClaimCounts | None, counts: ClaimCounts) -> bool:
    return before is not None and (counts.all < before.all or counts.late < before.late)


def _judge(queue: QueueScale, before: ClaimCounts | None, counts: ClaimCounts) -> QueueScale:
    """Count the slice that ends; of a queue whose claims at its begin are unknown it counts as calm."""
    before = before or counts
    if counts.late - before.late > _LATE_SHARE * (counts.all - before.all):
        return replace(queue, late=queue.late + 1, calm=0)
    return replace(queue, late=0, calm=queue.calm + 1)


def _shrink(queue: QueueScale, bound: Bounds) -> QueueScale:
    current = settings()
    needed = ceil(_SLICES * current.scale_down_seconds / current.scale_up_seconds)
    if queue.processes == bound.least or queue.calm < needed:
        return queue
    return replace(queue, processes=queue.processes - 1, calm=0)


def _grow(
    queues: Mapping[str, QueueScale], bounds: Mapping[str, Bounds], finds_free_core: Callable[[str], bool]
) -> dict[str, QueueScale]:
    """Add a process to one queue that was late for long enough: to that with the fewest."""
    waiting = [
        name
        for name, each in queues.items()
        if each.late >= _SLICES and each.processes < bounds[name].most and finds_free_core(name)
    ]
    if not waiting:
        return dict(queues)
    chosen = min(waiting, key=lambda name: (queues[name].processes, name))
    grown = {name: replace(each, late=0) for name, each in queues.items()}
    return grown | {chosen: replace(grown[chosen], processes=grown[chosen].processes + 1)}
