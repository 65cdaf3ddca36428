"""Writer of slots and detections: a few statements for a whole batch of checks."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.models.base import database_clock, new_id, write_rows
from api.models.desk import Source
from api.models.slot import return_seconds
from configs.ground.clock import clock
from configs.programs.matching_queues import nudge_seconds
from configs.world.desk import Desk
from crawler.proofs.selection import Proof, of_detection
from crawler.reading import Slot
from crawler.recording.desk_state_update import CheckOutcome
from crawler.recording.slot_diff import OpenSlot, compare_slots

_KNOWN = sa.text("""
SELECT desk_id, id, place_key, moment, starts_at, seen_at FROM slots
WHERE desk_id = ANY(:desks) AND gone_at IS NULL AND source = 'check'
""")
_GONE = sa.text("""
UPDATE slots s SET gone_at = greatest(n.at, s.seen_at), gone_reason = n.reason
FROM json_to_recordset(:rows) AS n(id bigint, at timestamptz, reason text)
WHERE s.id = n.id
""")
_AGAIN = sa.text("""
UPDATE slots s SET seen_at = greatest(n.at, s.seen_at), seats = n.seats, url = n.url
FROM json_to_recordset(:rows) AS n(id bigint, at timestamptz, seats int, url text)
WHERE s.id = n.id
""")
# The slot was superseded by hours that are open: see crawler/recording/slot_expiry.py.
_STILL_OPEN = sa.text("""
UPDATE slots s SET seen_at = greatest(n.at, s.seen_at)
FROM json_to_recordset(:rows) AS n(desk_id text, place_key text, at timestamptz)
CROSS JOIN LATERAL (
  SELECT o.id FROM slots o WHERE o.desk_id = n.desk_id AND o.place_key = n.place_key AND o.moment = 'open'
    AND o.source = 'check'
  ORDER BY o.id DESC LIMIT 1
) AS newest
WHERE s.id = newest.id AND s.gone_reason = 'superseded'
""")
# A row that was gone for so short a time that no message said so is open again, in place of a new one.
_OPENED = sa.text("""
WITH shown AS (
  SELECT * FROM json_to_recordset(:rows) AS n(desk_id text, place_key text, place_label text, moment text,
    starts_at timestamptz, seats int, url text, at timestamptz, source text, in_doubt boolean)
),
returned AS (
  UPDATE slots s SET gone_at = NULL, gone_reason = NULL, seen_at = greatest(n.at, s.seen_at), seats = n.seats,
    url = n.url, in_doubt = n.in_doubt
  FROM shown n
  CROSS JOIN LATERAL (
    SELECT o.id FROM slots o WHERE o.desk_id = n.desk_id AND o.place_key = n.place_key AND o.moment = n.moment
      AND o.source = n.source
    ORDER BY o.id DESC LIMIT 1
  ) AS newest
  WHERE s.id = newest.id AND s.gone_at > n.at - make_interval(secs => :returns) AND s.gone_told_at IS NULL
  RETURNING s.id, s.desk_id, s.place_key, s.moment
),
opened AS (
  INSERT INTO slots (desk_id, place_key, place_label, moment, starts_at, seats, url, opened_at, seen_at, source,
    in_doubt)
  SELECT desk_id, place_key, place_label, moment, starts_at, seats, url, at, at, source, in_doubt FROM shown
  WHERE (desk_id, place_key, moment) NOT IN (SELECT desk_id, place_key, moment FROM returned)
  RETURNING id, desk_id, place_key, moment
)
SELECT * FROM returned UNION ALL SELECT * FROM opened
""")
# Text, and both tables at once: the flushes of two mapped classes took twice as long, while people wait.
_DETECTED = sa.text("""
WITH made AS (
  INSERT INTO detections (id, desk_id, prefecture_id, procedures, label, site, source, booking_url, seen_at,
    committed_at, next_nudge_at, proof_key, in_doubt, opening_id, is_again)
  SELECT id, desk_id, prefecture_id, procedures, label, site, :source, booking_url, seen_at,
    CAST(:committed_at AS timestamptz), CAST(:next_nudge_at AS timestamptz), proof_key, in_doubt,
    opening_id, is_again
  FROM json_populate_recordset(CAST(NULL AS detections), :rows)
)
INSERT INTO detection_slots (detection_id, slot_id)
SELECT detection_id, slot_id FROM json_populate_recordset(CAST(NULL AS detection_slots), :slots)
""")
# By desk: a detection, and the page that proves it where one was kept.
Detected = dict[str, tuple[UUID, Proof | None]]


def write_slots(session: Session, ends: Sequence[CheckOutcome]) -> Detected:
    """Compare what checks saw with what was open, and write what changed; return the detections."""
    looks = [end for end in ends if end.check.slots or end.row.has_open]
    if not looks:
        return {}
    known: dict[str, list[OpenSlot]] = defaultdict(list)
    for desk_id, *slot in session.execute(_KNOWN, {"desks": [end.desk.id for end in looks]}):
        known[desk_id].append(OpenSlot(*slot))
    changes = [(end, compare_slots(end, known[end.desk.id])) for end in looks]
    for statement, changed in (
        (_GONE, [
            {"id": row, "at": end.check.seen_at, "reason": reason}
            for end, change in changes
            for row, reason in change.gone
        ]),
        (_AGAIN, [
            {"id": row, "at": end.check.seen_at, "seats": slot.seats, "url": _url(end, slot)}
            for end, change in changes
            for row, slot in change.again
        ]),
        (_STILL_OPEN, [
            {"desk_id": end.desk.id, "place_key": place, "at": end.check.seen_at}
            for end, change in changes
            for place in change.still_open
        ]),
    ):  # fmt: skip
        if changed:
            session.execute(statement, {"rows": write_rows(changed)})
    opened = [_describe_slot(end, slot) for end, change in changes for slot in change.news + change.quiet]
    if not opened:
        return {}
    ids = write_opened_slots(session, opened, return_seconds())
    return _detect(session, [(end, change.news) for end, change in changes if change.news], ids)


def write_opened_slots(
    session: Session, opened: Sequence[Mapping[str, object]], returns: float
) -> dict[tuple[str, str, str], int]:
    """Write slots that open, or those again that were gone for so many seconds; return ids by desk, place, moment."""
    rows = session.execute(_OPENED, {"returns": returns, "rows": write_rows(opened)})
    return {(row.desk_id, row.place_key, row.moment): row.id for row in rows}


def write_detections(
    session: Session,
    rows: Sequence[Mapping[str, object]],
    slots: Sequence[Mapping[str, object]],
    source: Source,
) -> None:
    """Write detections, and pairs of their ids with those of their slots."""
    nudge_at = database_clock(session) + timedelta(seconds=nudge_seconds())
    given = {"source": source.value, "committed_at": clock(), "next_nudge_at": nudge_at}
    session.execute(_DETECTED, given | {"rows": write_rows(rows), "slots": write_rows(slots)})


def describe_detection(desk: Desk, seen_at: datetime) -> dict[str, object]:
    """Return the columns of a detection that are the desk's, which are copied because desk files change."""
    return {
        "id": new_id(), "desk_id": desk.id, "prefecture_id": desk.prefecture_id,
        "procedures": sorted(desk.procedures), "label": desk.label, "site": desk.site, "booking_url": desk.url,
        "seen_at": seen_at, "in_doubt": False, "is_again": False,
    }  # fmt: skip


def _url(end: CheckOutcome, slot: Slot) -> str:
    """Return where a person books it."""
    return slot.url or end.check.booking_url


def _describe_slot(end: CheckOutcome, slot: Slot) -> dict[str, object]:
    return {
        "desk_id": end.desk.id,
        "place_key": slot.place.key,
        "place_label": slot.place.label,
        "moment": slot.moment_text,
        "starts_at": slot.starts_at,
        "seats": slot.seats,
        "url": _url(end, slot),
        "at": end.check.seen_at,
        "source": Source.CHECK,
        "in_doubt": False,
    }


def _detect(
    session: Session,
    looks: Sequence[tuple[CheckOutcome, Sequence[Slot]]],
    ids: Mapping[tuple[str, str, str], int],
) -> Detected:
    """Write a detection for each desk with news."""
    found: Detected = {}
    rows, slots = list[dict[str, object]](), list[dict[str, object]]()
    for end, news in looks:
        desk, site, url = end.desk, end.desk.site, end.check.booking_url
        if desk.in_rounds:  # people go to a town hall, and book on its page
            site, url = desk.name_places(
                {each.place.key: (each.place.label, _url(end, each)) for each in news}
            )
        row, proof = describe_detection(desk, end.check.seen_at), of_detection(desk, end.check, news)
        key = UUID(str(row["id"]))
        found[desk.id] = key, proof
        rows.append(row | {"site": site, "booking_url": url, "proof_key": proof and proof.key})
        slots += [
            {"detection_id": key, "slot_id": ids[desk.id, slot.place.key, slot.moment_text]} for slot in news
        ]
    if found:
        write_detections(session, rows, slots, Source.CHECK)
    return found
