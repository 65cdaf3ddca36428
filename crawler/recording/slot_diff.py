"""Comparison of a check with a desk's open slots: shown slots open, covered ones close. Pure."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from api.models.slot import GoneReason
from configs.world.outcome import Outcome
from crawler.reading import CoveredWindow, Slot

OPEN = "open"


@dataclass(frozen=True, slots=True)
class OpenSlot:
    """An open slot of the table; `moment` is an ISO instant, a date or `open`, as there."""

    id: int
    place_key: str
    moment: str
    starts_at: datetime | None
    seen_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class CheckResult:
    """Slots and coverage of one check. `now`: when it was read; `zone` and `last_day` are the desk's.

    `whole_before`: since when, before this check, every place had been covered once at least (None: never).
    """

    outcome: Outcome
    slots: tuple[Slot, ...]
    covered: tuple[CoveredWindow, ...]
    now: datetime
    zone: ZoneInfo
    last_day: date
    whole_before: datetime | None = None

    @property
    def today(self) -> date:
        """Return the desk's local date."""
        return self.now.astimezone(self.zone).date()


@dataclass(frozen=True, slots=True)
class SlotChanges:
    """Changes to write. `news` open and are notified; `quiet` open too, but users were notified of them already.

    Either may be open again: the row of a slot that was gone for a moment (crawler/recording/slot_writer.py).
    `again` pairs the rows that were seen once more with how they look now; `gone` pairs rows with their reason.
    `still_open`: places that the page called open at an unknown hour or on a day, while such hours of theirs are open.
    """

    news: tuple[Slot, ...] = ()
    quiet: tuple[Slot, ...] = ()
    again: tuple[tuple[int, Slot], ...] = ()
    gone: tuple[tuple[int, GoneReason], ...] = ()
    still_open: tuple[str, ...] = ()


def compare_slots(known: Sequence[OpenSlot], seen: CheckResult) -> SlotChanges:
    """Compare a desk's open slots with what a check saw.

    The hours that show up in a place which was only known to be open are quiet: they are what its `open` slot
    was notified for ("at an unknown hour"); a second message would announce the same opening. For the same reason no
    slot opens that may be one of the open hours: `open` beside any of its place, a day beside those of that day.
    """
    shown = _index_shown(seen)
    timed = {place for place, moment in shown if moment != OPEN}
    was_open = {row.place_key for row in known if row.moment == OPEN}
    gone = tuple((row.id, reason) for row in known if (reason := _closing_reason(row, shown, timed, seen)))
    closed = {row_id for row_id, _ in gone}
    left = [row for row in known if row.id not in closed]
    rows = {(row.place_key, row.moment): row.id for row in left}
    busy = {row.place_key for row in left}
    timed_days = _index_days(left, shown, seen.zone)
    known_hours = {
        key
        for key, slot in shown.items()
        if key not in rows and (key[0] in busy if key[1] == OPEN else (key[0], slot.moment) in timed_days)
    }
    opened = {key: slot for key, slot in shown.items() if key not in rows.keys() | known_hours}
    return SlotChanges(
        news=tuple(slot for key, slot in opened.items() if key[0] not in was_open),
        quiet=tuple(slot for key, slot in opened.items() if key[0] in was_open),
        again=tuple((rows[key], slot) for key, slot in shown.items() if key in rows),
        gone=gone,
        still_open=tuple(sorted({place for place, _ in known_hours} & busy)),
    )


def _index_shown(seen: CheckResult) -> dict[tuple[str, str], Slot]:
    """Return the slots shown by place and moment, without those past, nor `open` beside the place's hours."""
    slots = {
        (slot.place.key, slot.moment_text): slot
        for slot in reversed(seen.slots)
        if not _is_past(slot.moment, seen)
    }
    timed = {place for place, moment in slots if moment != OPEN}
    return {key: slot for key, slot in reversed(slots.items()) if key[1] != OPEN or key[0] not in timed}


def _index_days(
    left: Iterable[OpenSlot], shown: Mapping[tuple[str, str], Slot], zone: ZoneInfo
) -> set[tuple[str, date]]:
    """Return the places and local days of which an hour is open, or shown."""
    hours = [(row.place_key, row.starts_at) for row in left]
    hours += [(place, slot.starts_at) for (place, _), slot in shown.items()]
    return {(place, at.astimezone(zone).date()) for place, at in hours if at}


def _is_past(moment: datetime | date | None, seen: CheckResult) -> bool:
    if isinstance(moment, datetime):
        return moment <= seen.now
    return moment is not None and moment < seen.today


def _closing_reason(
    row: OpenSlot, shown: Collection[tuple[str, str]], timed: set[str], seen: CheckResult
) -> GoneReason | None:
    if _is_past(row.starts_at or _day(row, seen.zone), seen):
        return GoneReason.PAST
    if row.moment == OPEN and row.place_key in timed:
        return GoneReason.SUPERSEDED
    absent = seen.outcome.conclusive and (row.place_key, row.moment) not in shown
    return GoneReason.TAKEN if absent and _is_covered(row, seen) else None


def _day(row: OpenSlot, zone: ZoneInfo) -> date | None:
    if row.moment == OPEN:
        return None
    return row.starts_at.astimezone(zone).date() if row.starts_at else date.fromisoformat(row.moment[:10])


def _first_time(row: OpenSlot, seen: CheckResult) -> bool:
    """Tell whether no answer before this one could have shown the row since it was last seen, and did not."""
    return row.seen_at is None or seen.whole_before is None or seen.whole_before <= row.seen_at


def _is_covered(row: OpenSlot, seen: CheckResult) -> bool:
    """Tell whether the reading answered for the row's place on its day; for `open`, for every day watched."""
    windows = [
        each
        for each in seen.covered
        if each.place_key in (None, row.place_key) and not (each.doubtful and _first_time(row, seen))
    ]
    day = _day(row, seen.zone)
    if day is not None:
        return any((w.first or date.min) <= day <= (w.last or date.max) for w in windows)
    reached = seen.today - timedelta(days=1)
    for window in sorted(windows, key=lambda w: w.first or date.min):
        if (window.first or date.min) > reached + timedelta(days=1):
            return False
        reached = max(reached, window.last or date.max)
        if reached >= seen.last_day:
            return True
    return False
