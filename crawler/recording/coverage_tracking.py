"""Coverage of a desk, place by place: what visits have covered, what that proves, how long its slots outlive it."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import NamedTuple

from pydantic import TypeAdapter

from configs.settings import Constant
from crawler.reading import CoveredWindow

# Within how many of its intervals all places of a desk must have been covered for it to count as proven
_proven_intervals = Constant("PROVEN_INTERVALS", 5)
# A slot lapses once neither it nor its place was seen for this long (or for 5 intervals, if that is longer)
lapse_seconds = Constant("LAPSE_SECONDS", 600.0)
INTERVALS = 5  # without a sighting of the slot, or an answer for its place and day


class ProvenWindow(NamedTuple):
    """The days of one place that a visit covered, both included, and when its last page was read."""

    first: date
    last: date
    at: datetime


Coverage = Mapping[str, Sequence[ProvenWindow]]  # by place key
COVERAGE: TypeAdapter[Coverage] = TypeAdapter(Coverage)  # to and from JSON values
EVERYWHERE = "*"  # the key of answers for all places together


def covers_whole_desk(covered: Iterable[CoveredWindow], today: date, last_day: date) -> bool:
    """Whether one answer covered all of a desk, from today to the last day that is watched."""
    return any(
        each.place_key is None and leaves_no_day_out([(each.first, each.last)], today, last_day)
        for each in covered
    )


def leaves_no_day_out(
    windows: Iterable[tuple[date | None, date | None]], first_day: date, last_day: date
) -> bool:
    """Whether windows (their first and last day; None: no end there) hold each day from the first to the last."""
    open_day = first_day
    for first, last in sorted((first or date.min, last or date.max) for first, last in windows):
        if first <= open_day <= last:
            if last >= last_day:
                return True
            open_day = last + timedelta(days=1)
    return False


def update_coverage(
    before: Coverage,
    places: Collection[str],
    covered: Iterable[CoveredWindow],
    *,
    at: datetime,
    since: datetime,
) -> Coverage:
    """Return what is known after a visit at `at` that knew of `places`: windows not older than `since`.

    A place that the page offers and nobody has covered has no window; one that it no longer offers keeps those that
    it has, for its slots may be open still.
    """
    after = {key: [window for window in before[key] if window.at >= since] for key in before}
    after |= {key: after.get(key, []) for key in places}
    for each in covered:
        key, window = name_place(each), ProvenWindow(each.first or date.min, each.last or date.max, at)
        after[key] = [other for other in after.get(key, ()) if not _is_within(other, window)] + [window]
    return {key: windows for key, windows in sorted(after.items()) if windows or key in places}


def name_place(covered: CoveredWindow) -> str:
    """Return the place that an answer is for, EVERYWHERE where it is for all together."""
    return EVERYWHERE if covered.place_key is None else covered.place_key


def whole_since(coverage: Coverage, places: Iterable[str], today: date, last_day: date) -> datetime | None:
    """Return the instant since which every place was covered in full once at least; None: one was not.

    `places`: those that the page offers.
    """
    for_all = coverage.get(EVERYWHERE, ())
    found = [_covered_since([*coverage.get(key, ()), *for_all], today, last_day) for key in places]
    instants = [at for at in found if at is not None]
    return min(instants) if instants and len(instants) == len(found) else None


def is_proven(
    whole_at: datetime | None, interval: float, now: datetime, intervals: float | None = None
) -> bool:
    """Whether a desk with that interval (seconds) counts as proven: everything covered within its last few.

    `intervals`: how many these are where the desk has a number of its own.
    """
    seconds = (_proven_intervals() if intervals is None else intervals) * interval
    return whole_at is not None and now - whole_at <= timedelta(seconds=seconds)


def lapse_span(*seconds: float | None, intervals: float = INTERVALS) -> timedelta:
    """Return how long a slot outlives its last sighting, at a desk with these intervals (seconds)."""
    longest = intervals * max(filter(None, seconds), default=0)
    return timedelta(seconds=max(lapse_seconds(), longest))


def _covered_since(windows: Sequence[ProvenWindow], today: date, last_day: date) -> datetime | None:
    """Return the youngest instant such that what was covered since leaves no day out."""
    for at in sorted({window.at for window in windows}, reverse=True):
        since = [(window.first, window.last) for window in windows if window.at >= at]
        if leaves_no_day_out(since, today, last_day):
            return at
    return None


def _is_within(inner: ProvenWindow, outer: ProvenWindow) -> bool:
    return outer.first <= inner.first and inner.last <= outer.last
