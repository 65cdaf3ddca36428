"""Writer of slots and detections: a few statements for a whole batch of checks.

A check is compared with its desk's open slots: shown slots open, covered ones close.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.models.base import new_id, write_array
from api.models.database_clock import database_clock
from api.models.desk import Source
from api.models.slot import RETURN_SECONDS, GoneReason
from configs.ground.clock import clock
from configs.ground.matching_queues import NUDGE_SECONDS
from configs.world.desk import Desk
from crawler.items import CheckItem
from crawler.proofs.outbox import Proof, of_detection
from crawler.reading import Slot

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
class SlotComparison:
    """One check of one desk, with the slots that were open before it.

    `now`: when its last page was read. `whole_before`: since when, before this check, every place had been covered
    once at least (None: never).
    """

    desk: Desk
    check: CheckItem
    known: Sequence[OpenSlot]
    now: datetime
    whole_before: datetime | None = None

    @property
    def today(self) -> date:
        """Return the desk's local date."""
        return self.now.astimezone(self.desk.zone).date()

    def url(self, slot: Slot) -> str:
        """Return where a person books it."""
        return slot.url or self.check.booking_url


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


def compare_slots(look: SlotComparison) -> SlotChanges:
    """Compare a desk's open slots with what a check saw.

    The hours that show up in a place which was only known to be open are quiet: they are what its `open` slot
    was notified for ("at an unknown hour"); a second message would announce the same opening. For the same reason no
    slot opens that may be one of the open hours: `open` beside any of its place, a day beside those of that day.
    """
    shown = _index_shown(look)
    timed = {place for place, moment in shown if moment != OPEN}
    was_open = {row.place_key for row in look.known if row.moment == OPEN}
    gone = tuple(
        (row.id, reason) for row in look.known if (reason := _closing_reason(row, shown, timed, look))
    )
    closed = {row_id for row_id, _ in gone}
    left = [row for row in look.known if row.id not in closed]
    rows = {(row.place_key, row.moment): row.id for row in left}
    busy = {row.place_key for row in left}
    timed_days = _index_days(left, shown, look.desk.zone)
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


def _index_shown(look: SlotComparison) -> dict[tuple[str, str], Slot]:
    """Return the slots shown by place and moment, without those past, nor `open` beside the place's hours."""
    slots = {
        (slot.place.key, slot.moment_text): slot
        for slot in reversed(look.check.slots)
        if not _is_past(slot.moment, look)
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


def _is_past(moment: datetime | date | None, look: SlotComparison) -> bool:
    if isinstance(moment, datetime):
        return moment <= look.now
    return moment is not None and moment < look.today


def _closing_reason(
    row: OpenSlot, shown: Collection[tuple[str, str]], timed: set[str], look: SlotComparison
) -> GoneReason | None:
    if _is_past(row.starts_at or _day(row, look.desk.zone), look):
        return GoneReason.PAST
    if row.moment == OPEN and row.place_key in timed:
        return GoneReason.SUPERSEDED
    absent = look.check.outcome.conclusive and (row.place_key, row.moment) not in shown
    return GoneReason.TAKEN if absent and _is_covered(row, look) else None


def _day(row: OpenSlot, zone: ZoneInfo) -> date | None:
    if row.moment == OPEN:
        return None
    return row.starts_at.astimezone(zone).date() if row.starts_at else date.fromisoformat(row.moment[:10])


def _first_time(row: OpenSlot, look: SlotComparison) -> bool:
    """Tell whether no answer before this one could have shown the row since it was last seen, and did not."""
    return row.seen_at is None or look.whole_before is None or look.whole_before <= row.seen_at


def _is_covered(row: OpenSlot, look: SlotComparison) -> bool:
    """Tell whether the reading answered for the row's place on its day; for `open`, for every day watched."""
    windows = [
        each
        for each in look.check.covered
        if each.place_key in (None, row.place_key) and not (each.doubtful and _first_time(row, look))
    ]
    day = _day(row, look.desk.zone)
    if day is not None:
        return any((w.first or date.min) <= day <= (w.last or date.max) for w in windows)
    reached, last_day = look.today - timedelta(days=1), look.today + timedelta(days=look.desk.horizon)
    for window in sorted(windows, key=lambda w: w.first or date.min):
        if (window.first or date.min) > reached + timedelta(days=1):
            return False
        reached = max(reached, window.last or date.max)
        if reached >= last_day:
            return True
    return False


_KNOWN = sa.text("""
SELECT id, desk_id, place_key, moment, starts_at, seen_at FROM slots WHERE desk_id = ANY(:desks) AND gone_at IS NULL
""")
_GONE = sa.text("""
UPDATE slots s SET gone_at = greatest(n.at, s.seen_at), gone_reason = n.reason
FROM unnest(CAST(:id AS bigint[]), CAST(:at AS timestamptz[]), CAST(:reason AS text[])) AS n(id, at, reason)
WHERE s.id = n.id
""")
_AGAIN = sa.text("""
UPDATE slots s SET seen_at = greatest(n.at, s.seen_at), seats = n.seats, url = n.url
FROM unnest(CAST(:id AS bigint[]), CAST(:at AS timestamptz[]), CAST(:seats AS int[]), CAST(:url AS text[]))
  AS n(id, at, seats, url)
WHERE s.id = n.id
""")
# The slot was superseded by hours that are open: see crawler/recording/slot_expiry.py.
_STILL_OPEN = sa.text("""
UPDATE slots s SET seen_at = greatest(n.at, s.seen_at)
FROM unnest(CAST(:desk_id AS text[]), CAST(:place_key AS text[]), CAST(:at AS timestamptz[]))
  AS n(desk_id, place_key, at)
CROSS JOIN LATERAL (
  SELECT o.id FROM slots o WHERE o.desk_id = n.desk_id AND o.place_key = n.place_key AND o.moment = 'open'
  ORDER BY o.id DESC LIMIT 1
) AS newest
WHERE s.id = newest.id AND s.gone_reason = 'superseded'
""")
# A row that was gone for so short a time that no message said so is open again, in place of a new one.
_OPENED = sa.text("""
WITH shown AS (
  SELECT * FROM unnest(CAST(:desk_id AS text[]), CAST(:place_key AS text[]), CAST(:place_label AS text[]),
                       CAST(:moment AS text[]), CAST(:starts_at AS timestamptz[]), CAST(:seats AS int[]),
                       CAST(:url AS text[]), CAST(:at AS timestamptz[]))
    AS n(desk_id, place_key, place_label, moment, starts_at, seats, url, at)
),
returned AS (
  UPDATE slots s SET gone_at = NULL, gone_reason = NULL, seen_at = greatest(n.at, s.seen_at), seats = n.seats,
    url = n.url
  FROM shown n
  CROSS JOIN LATERAL (
    SELECT o.id FROM slots o WHERE o.desk_id = n.desk_id AND o.place_key = n.place_key AND o.moment = n.moment
    ORDER BY o.id DESC LIMIT 1
  ) AS newest
  WHERE s.id = newest.id AND s.gone_at > n.at - make_interval(secs => :returns) AND s.gone_told_at IS NULL
  RETURNING s.id, s.desk_id, s.place_key, s.moment
),
opened AS (
  INSERT INTO slots (desk_id, place_key, place_label, moment, starts_at, seats, url, opened_at, seen_at)
  SELECT desk_id, place_key, place_label, moment, starts_at, seats, url, at, at FROM shown
  WHERE (desk_id, place_key, moment) NOT IN (SELECT desk_id, place_key, moment FROM returned)
  RETURNING id, desk_id, place_key, moment
)
SELECT * FROM returned UNION ALL SELECT * FROM opened
""")
# Text, and both tables at once: the flushes of two mapped classes took twice as long, while people wait.
_DETECTED = sa.text("""
WITH made AS (
  INSERT INTO detections (id, desk_id, prefecture_id, procedures, label, site, source, booking_url, seen_at,
    committed_at, next_nudge_at, proof_key)
  SELECT id, desk_id, prefecture_id, CAST(procedures AS text[]), label, site, :source, booking_url, seen_at,
    CAST(:committed_at AS timestamptz), CAST(:next_nudge_at AS timestamptz), proof_key
  FROM unnest(CAST(:id AS uuid[]), CAST(:desk_id AS text[]), CAST(:prefecture_id AS text[]),
              CAST(:procedures AS text[]), CAST(:label AS text[]), CAST(:site AS text[]),
              CAST(:booking_url AS text[]), CAST(:seen_at AS timestamptz[]), CAST(:proof_key AS text[]))
    AS n(id, desk_id, prefecture_id, procedures, label, site, booking_url, seen_at, proof_key)
)
INSERT INTO detection_slots (detection_id, slot_id)
SELECT * FROM unnest(CAST(:detection_id AS uuid[]), CAST(:slot_id AS bigint[]))
""")
_OF_DETECTION = (
    "id", "desk_id", "prefecture_id", "procedures", "label", "site", "booking_url", "seen_at", "proof_key",
)  # fmt: skip
_OF_SLOT = ("detection_id", "slot_id")

Ids = dict[tuple[str, str, str], int]


@dataclass(frozen=True, slots=True)
class NewDetection:
    """A detection as it was written, and the page that proves it, where one was kept."""

    id: UUID
    desk_id: str
    proof: Proof | None


def load_open_slots(session: Session, desk_ids: Sequence[str]) -> dict[str, list[OpenSlot]]:
    """Return the open slots of desks."""
    found: dict[str, list[OpenSlot]] = defaultdict(list)
    for row in session.execute(_KNOWN, {"desks": list(desk_ids)}):
        found[row.desk_id].append(OpenSlot(row.id, row.place_key, row.moment, row.starts_at, row.seen_at))
    return found


def write_slots(session: Session, looks: Iterable[SlotComparison]) -> list[NewDetection]:
    """Write what changed; return the detections, in the order of the looks."""
    changes = [(look, compare_slots(look)) for look in looks]
    gone = [(row, look.now, reason.value) for look, change in changes for row, reason in change.gone]
    again = [
        (row, look.now, slot.seats, look.url(slot)) for look, change in changes for row, slot in change.again
    ]
    still_open = [(look.desk.id, place, look.now) for look, change in changes for place in change.still_open]
    _update(session, _GONE, ("id", "at", "reason"), gone)
    _update(session, _AGAIN, ("id", "at", "seats", "url"), again)
    _update(session, _STILL_OPEN, ("desk_id", "place_key", "at"), still_open)
    ids = _open(session, changes)
    return _detect(session, [(look, change.news) for look, change in changes if change.news], ids)


def _update(
    session: Session, statement: sa.TextClause, names: Sequence[str], rows: Sequence[Sequence[object]]
) -> None:
    if rows:
        session.execute(statement, _columns(names, rows))


def _open(session: Session, changes: Sequence[tuple[SlotComparison, SlotChanges]]) -> Ids:
    rows = [_row(look, slot) for look, change in changes for slot in change.news + change.quiet]
    if not rows:
        return {}
    names = ("desk_id", "place_key", "place_label", "moment", "starts_at", "seats", "url", "at")
    opened = session.execute(_OPENED, {"returns": RETURN_SECONDS(), **_columns(names, rows)})
    return {(row.desk_id, row.place_key, row.moment): row.id for row in opened}


def _row(look: SlotComparison, slot: Slot) -> tuple[object, ...]:
    place, at = slot.place, look.now
    shown = (place.key, place.label, slot.moment_text, slot.starts_at, slot.seats)
    return (look.desk.id, *shown, look.url(slot), at)


def _detect(
    session: Session, looks: Sequence[tuple[SlotComparison, Sequence[Slot]]], ids: Ids
) -> list[NewDetection]:
    """Write a detection for each desk with news; what the desk is now is copied, because desk files change."""
    if not looks:
        return []
    found = [
        NewDetection(new_id(), look.desk.id, of_detection(look.desk, look.check, news, look.now))
        for look, news in looks
    ]
    rows = [_describe_detection(each, look, news) for each, (look, news) in zip(found, looks, strict=True)]
    slots = [
        (str(each.id), ids[look.desk.id, slot.place.key, slot.moment_text])
        for each, (look, news) in zip(found, looks, strict=True)
        for slot in news
    ]
    given = {
        "source": Source.CHECK.value, "committed_at": clock(),
        "next_nudge_at": database_clock(session) + timedelta(seconds=NUDGE_SECONDS()),
    }  # fmt: skip
    session.execute(_DETECTED, given | _columns(_OF_DETECTION, rows) | _columns(_OF_SLOT, slots))
    return found


def _describe_detection(
    found: NewDetection, look: SlotComparison, news: Sequence[Slot]
) -> tuple[object, ...]:
    desk, site, url = look.desk, look.desk.site, look.check.booking_url
    if desk.in_rounds:  # people go to a town hall, and book on its page
        site, url = desk.name_places({each.place.key: (each.place.label, look.url(each)) for each in news})
    procedures = write_array(sorted(each.value for each in desk.procedures))
    shown = (desk.id, desk.prefecture_id, procedures, desk.label, site)
    return (str(found.id), *shown, url, look.now, found.proof and found.proof.key)


def _columns(names: Sequence[str], rows: Sequence[Sequence[object]]) -> dict[str, list[object]]:
    return {name: list(column) for name, column in zip(names, zip(*rows, strict=True), strict=True)}
