"""The difference between a desk's open slots and what a check saw: shown slots open, covered ones close."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from api.models.slot import GoneReason
from crawler.reading import Slot
from crawler.recording.coverage_tracking import leaves_no_day_out
from crawler.recording.desk_state_update import CheckOutcome

OPEN = "open"


class OpenSlot(NamedTuple):
    """An open slot of the table; `moment` is an ISO instant, a date or `open`, as there."""

    id: int
    place_key: str
    moment: str
    starts_at: datetime | None
    seen_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class SlotChanges:
    """Changes to write. `news` open and are notified; `quiet` open too, but users were notified of them already.

    Either may be open again: the row of a slot that was gone for a moment (`_OPENED`).
    `again` pairs the rows that were seen once more with how they look now; `gone` pairs rows with their reason.
    `still_open`: places that the page called open at an unknown hour or on a day, while such hours of theirs are open.
    """

    news: tuple[Slot, ...] = ()
    quiet: tuple[Slot, ...] = ()
    again: tuple[tuple[int, Slot], ...] = ()
    gone: tuple[tuple[int, GoneReason], ...] = ()
    still_open: tuple[str, ...] = ()


def compare_slots(end: CheckOutcome, known: Sequence[OpenSlot]) -> SlotChanges:
    """Compare a desk's open slots (`known`) with what a check saw.

    The hours that show up in a place which was only known to be open are quiet: they are what its `open` slot
    was notified for ("at an unknown hour"); a second message would announce the same opening. For the same reason no
    slot opens that may be one of the open hours: `open` beside any of its place, a day beside those of that day.
    """
    shown = _index_shown(end)
    timed = {place for place, moment in shown if moment != OPEN}
    was_open = {row.place_key for row in known if row.moment == OPEN}
    gone = tuple((row.id, reason) for row in known if (reason := _closing_reason(row, shown, timed, end)))
    closed = {row_id for row_id, _ in gone}
    left = [row for row in known if row.id not in closed]
    rows = {(row.place_key, row.moment): row.id for row in left}
    busy = {row.place_key for row in left}
    timed_days = _index_days(left, shown, end.desk.zone)
    known_hours = {
        key
        for key, slot in shown.items()
        if key not in rows and (key[0] in busy if key[1] == OPEN else (key[0], slot.moment) in timed_days)
    }
    opened = {key: slot for key, slot in shown.items() if key not in rows and key not in known_hours}
    return SlotChanges(
        news=tuple(slot for key, slot in opened.items() if key[0] not in was_open),
        quiet=tuple(slot for key, slot in opened.items() if key[0] in was_open),
        again=tuple((rows[key], slot) for key, slot in shown.items() if key in rows),
        gone=gone,
        still_open=tuple(sorted({place for place, _ in known_hours} & busy)),
    )


def _index_shown(end: CheckOutcome) -> dict[tuple[str, str], Slot]:
    """Return the slots shown by place and moment, without those past, nor `open` beside the place's hours."""
    slots = {
        (slot.place.key, slot.moment_text): slot
        for slot in reversed(end.check.slots)
        if not _is_past(slot.moment, end)
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


def _is_past(moment: datetime | date | None, end: CheckOutcome) -> bool:
    if isinstance(moment, datetime):
        return moment <= end.check.seen_at
    return moment is not None and moment < end.today


def _closing_reason(
    row: OpenSlot, shown: Collection[tuple[str, str]], timed: set[str], end: CheckOutcome
) -> GoneReason | None:
    if _is_past(row.starts_at or _day(row, end.desk.zone), end):
        return GoneReason.PAST
    if row.moment == OPEN and row.place_key in timed:
        return GoneReason.SUPERSEDED
    absent = end.check.outcome.conclusive and (row.place_key, row.moment) not in shown
    return GoneReason.TAKEN if absent and _is_covered(row, end) else None


def _day(row: OpenSlot, zone: ZoneInfo) -> date | None:
    if row.moment == OPEN:
        return None
    return row.starts_at.astimezone(zone).date() if row.starts_at else date.fromisoformat(row.moment[:10])


def _first_time(row: OpenSlot, end: CheckOutcome) -> bool:
    """Tell whether no answer before this one could have shown the row since it was last seen, and did not."""
    return row.seen_at is None or end.row.whole_before is None or end.row.whole_before <= row.seen_at


def _is_covered(row: OpenSlot, end: CheckOutcome) -> bool:
    """Tell whether the reading answered for the row's place on its day; for `open`, for every day watched."""
    windows = [
        each
        for each in end.check.covered
        if each.place_key in (None, row.place_key) and not (each.doubtful and _first_time(row, end))
    ]
    day = _day(row, end.desk.zone)
    last_day = day or end.today + timedelta(days=end.desk.horizon)
    return leaves_no_day_out(((w.first, w.last) for w in windows), day or end.today, last_day)
