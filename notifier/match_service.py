"""Transactions of matching: a detection, an alert that catches up, a desk whose slots are still open."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, distinct_on
from sqlalchemy.orm import Session, selectinload

from api.models.alert import Alert
from api.models.notification import Match
from api.models.slot import Detection, DetectionSlot, GoneReason, SlotRow
from configs.constants import Constant
from notifier import match_batches
from notifier.content.desk_location import location_of
from notifier.delivery.inline_delivery import InlineClaim
from notifier.held_back import find_held_back, write_held_back
from notifier.match_log import log_when_committed
from notifier.matching import (
    RETELL_SECONDS,
    Announced,
    AnySlot,
    Candidate,
    OpenedSlot,
    WantedSlots,
    already_notified,
    candidates,
    describe_gone,
    earlier_openings,
    read_announced,
    select_slots,
    slot_moment,
)
from notifier.message_kinds.slots import UNCONFIRMED_SECONDS
from notifier.notification_writer import MatchResult, next_nudge, write
from notifier.open_slots import OpenSlots
from notifier.recipients import recipients

# How many alerts one detection is matched with in one job; where more wait, parts of them are jobs of their own
CROWD_ALERTS = Constant("CROWD_ALERTS", 50)

SeenSlot = tuple[SlotRow, list[int], list[int]]  # with its earlier openings

_LOCK = 0x524456  # "RDV": the class of these advisory locks


@dataclass(frozen=True, slots=True)
class Matched:
    """The result of matching: notifications to deliver, or the parts that the waiting alerts were put into."""

    written: list[UUID] = field(default_factory=list)
    parts: list[int] = field(default_factory=list)
    times: int = 0  # how often the detection was nudged before


def match_detection(session: Session, detection_id: UUID, now: datetime) -> list[UUID]:
    """Match a detection, once; return the ids of the notifications to deliver."""
    detection = _take_unmatched(session, detection_id, now)
    if detection is None:
        return []
    return _write_result(session, detection, candidates(session, detection, detection.seen_at), now)


def match_or_part(
    session: Session, detection_id: UUID, now: datetime, inline: InlineClaim | None = None
) -> Matched:
    """Match a detection, or put the waiting alerts into parts where they are many.

    Of parts that were made before, those that are not matched yet are returned. Notifications that `inline` takes are
    not among those to deliver.
    """
    detection = _take_unmatched(session, detection_id, now)
    if detection is None:
        return Matched()
    many = CROWD_ALERTS()
    found = candidates(session, detection, detection.seen_at, most=many)
    if len(found) <= many:
        return Matched(_write_result(session, detection, found, now, inline))
    detection.matched_at = None  # its parts will be
    detection.next_nudge_at = next_nudge(now, detection.nudges)
    numbers = match_batches.open_parts(session, detection_id) or match_batches.make_parts(session, detection)
    log_when_committed(session, "matched in parts", detection=str(detection_id), parts=len(numbers))
    return Matched(parts=numbers, times=detection.nudges)


def match_part(
    session: Session, detection_id: UUID, number: int, now: datetime, inline: InlineClaim | None = None
) -> list[UUID]:
    """Match the alerts of one part; return the ids of the notifications to deliver.

    Parts are matched at the same time: no alert is in two of them.
    """
    detection = session.get(Detection, detection_id)
    if detection is None:
        return []
    session.execute(sa.select(_lock(sa.literal(detection.desk_id), shared=True)))
    alert_ids = match_batches.take_part(session, detection_id, number)
    found = candidates(session, detection, detection.seen_at, alert_ids) if alert_ids else []
    return _write_result(session, detection, found, now, inline, in_crowd=True)


def match_open(
    session: Session,
    desk_id: str,
    now: datetime,
    alert_ids: Collection[UUID] | None = None,
    inline: InlineClaim | None = None,
    *,
    in_crowd: bool = False,
) -> list[UUID]:
    """Match a desk's open slots with some alerts, or with all that were not notified; return what to deliver.

    The notifications name the desk's latest detection. Users must be entitled now. The desk's lock is taken only
    where there is something to write, and only these alerts and slots are read again under it.
    """
    found = find_untold(session, desk_id, now, alert_ids)
    if not found:
        return []
    session.execute(sa.select(_lock(sa.literal(desk_id))))
    wanted = sorted({slot for wish in found for slot in wish.slots})
    detection, wishes = _find_candidates(session, desk_id, now, [wish.alert_id for wish in found], wanted)
    if detection is None or not wishes:
        return []
    told_of = SlotRow.id == sa.any_(_bigints({slot for wish in wishes for slot in wish.slots}))
    slots = list(session.scalars(sa.select(SlotRow).where(told_of).order_by(SlotRow.id)))
    reached = recipients(session, {wish.user_id for wish in wishes}, now)
    seen_at = max(slot.seen_at for slot in slots)
    result = MatchResult(detection, wishes, reached, seen_at, slots, late=True, in_crowd=in_crowd)
    return _write_matches(session, result, now, inline)


def find_untold(
    session: Session, desk_id: str, now: datetime, alert_ids: Collection[UUID] | None = None
) -> list[WantedSlots]:
    """Return the alerts to notify, each with the desk's open slots; takes no lock, so the result may be out of date.

    Where no alerts are named, those of users without a reachable contact are left out: each round would find them
    again, and people with higher plans are in front.
    """
    _, wishes = _find_candidates(session, desk_id, now, alert_ids)
    if alert_ids is not None or not wishes:
        return wishes
    reached = recipients(session, {wish.user_id for wish in wishes}, now)
    ranks = {each.user_id: each.plan_rank for each in reached}
    kept = [wish for wish in wishes if wish.user_id in ranks]
    return sorted(kept, key=lambda wish: -ranks[wish.user_id])


def _find_candidates(
    session: Session,
    desk_id: str,
    now: datetime,
    alert_ids: Collection[UUID] | None,
    slot_ids: Collection[int] | None = None,
) -> tuple[Detection | None, list[WantedSlots]]:
    newest = (
        sa.select(Detection).where(Detection.desk_id == desk_id).order_by(Detection.seen_at.desc()).limit(1)
    )
    detection = session.scalar(newest)
    if detection is None:
        return None, []
    slots = _confirmed_slots(session, detection, now, slot_ids)
    found = candidates(session, detection, now, alert_ids) if slots.ids else []
    return detection, _wishes(session, detection, slots, found, now)


def _confirmed_slots(
    session: Session, detection: Detection, now: datetime, slot_ids: Collection[int] | None
) -> OpenSlots:
    """Return a desk's open slots that were seen lately, or those among some."""
    columns = [getattr(SlotRow, name) for name in OpenedSlot._fields]
    confirmed = now - timedelta(seconds=UNCONFIRMED_SECONDS())
    query = sa.select(*columns, *earlier_openings()).where(
        SlotRow.desk_id == detection.desk_id, SlotRow.gone_at.is_(None), SlotRow.seen_at > confirmed
    )
    if slot_ids is not None:
        query = query.where(SlotRow.id == sa.any_(_bigints(slot_ids)))
    rows = session.execute(query, describe_gone(_retold_since(now)))
    return _describe_slots(detection, [(OpenedSlot(*row[:-2]), row[-2], row[-1]) for row in rows])


def _describe_slots(detection: Detection, rows: Sequence[tuple[AnySlot, list[int], list[int]]]) -> OpenSlots:
    zone = location_of(detection.desk_id, detection.prefecture_id).zone
    return OpenSlots(
        {slot.id: slot_moment(slot, zone, detection.site) for slot, _, _ in rows},
        min((slot.opened_at for slot, _, _ in rows), default=detection.seen_at),
        {slot.id: same for slot, same, _ in rows if same},
        {slot.id: unknown_hours for slot, _, unknown_hours in rows if unknown_hours},
    )


def _retold_since(now: datetime) -> datetime:
    return now - timedelta(seconds=RETELL_SECONDS)


def _bigints(ids: Collection[int]) -> sa.BindParameter[list[int]]:
    return sa.literal(list(ids), ARRAY(sa.BigInteger()))


def desks_of(session: Session, alert_id: UUID) -> list[str]:
    """Return the desks with open slots that an alert is about, in order; none when it does not wait."""
    alert = session.get(Alert, alert_id, options=[selectinload(Alert.targets)])
    if alert is None or not alert.waits:
        return []
    newest = (
        sa.select(Detection.desk_id, Detection.prefecture_id, Detection.procedures)
        .where(Detection.desk_id.in_(sa.select(SlotRow.desk_id).where(SlotRow.gone_at.is_(None))))
        .ext(distinct_on(Detection.desk_id))
        .order_by(Detection.desk_id, Detection.seen_at.desc())
    )
    return [
        desk_id
        for desk_id, prefecture_id, procedures in session.execute(newest)
        if any(
            each.covers_desk(desk_id=desk_id, prefecture_id=prefecture_id, procedures=procedures)
            for each in alert.targets
        )
    ]


def open_desks(session: Session, now: datetime) -> list[str]:
    """Return the desks that have slots which were confirmed lately."""
    confirmed = now - timedelta(seconds=UNCONFIRMED_SECONDS())
    query = (
        sa.select(SlotRow.desk_id).where(SlotRow.gone_at.is_(None), SlotRow.seen_at > confirmed).distinct()
    )
    return list(session.scalars(query.order_by(SlotRow.desk_id)))


def _lock(
    desk_id: sa.ColumnElement[str] | sa.orm.InstrumentedAttribute[str], *, shared: bool = False
) -> sa.ColumnElement[None]:
    lock = sa.func.pg_advisory_xact_lock_shared if shared else sa.func.pg_advisory_xact_lock
    return lock(_LOCK, sa.func.hashtext(desk_id))


def _take_unmatched(session: Session, detection_id: UUID, now: datetime) -> Detection | None:
    """Take a detection that is to be matched: it is matched with the commit.

    Matching is done one at a time per desk: the second sees what the first wrote. Row, mark and lock are one statement,
    as each statement is a tenth of the time from the commit of a detection to its messages.
    """
    given = {"detection_id": detection_id, "now": now}
    row = session.execute(_update_unmatched(), given).first()
    return row[0] if row else None


@lru_cache(maxsize=1)
def _update_unmatched() -> sa.Executable:
    mine = (
        sa.update(Detection)
        .where(Detection.id == sa.bindparam("detection_id"), Detection.matched_at.is_(None))
        .values(matched_at=sa.bindparam("now", type_=sa.DateTime(timezone=True)))
        .returning(Detection, _lock(Detection.desk_id))
    )
    return mine.execution_options(synchronize_session=False, prepare=True)


def _write_result(
    session: Session,
    detection: Detection,
    found: list[Candidate],
    now: datetime,
    inline: InlineClaim | None = None,
    *,
    in_crowd: bool = False,
) -> list[UUID]:
    if not found:
        _log_nothing(session, detection)
        return []
    since, alert_ids = _retold_since(now), {each.alert_id for each in found}
    rows, was_matched = read_seen_slots(session, detection, since, in_crowd=in_crowd)
    slots = _describe_slots(detection, rows)
    first = detection.seen_at if _are_new(detection, rows) else None
    announced = {}
    if was_matched or first is None:
        announced = read_announced(session, detection.desk_id, slots, alert_ids, since, first=first)
    gone = slots.find_bits({slot.id for slot, _, _ in rows if slot.gone_at})
    known = {each: announced.get(each, Announced()).known | gone for each in alert_ids}
    wishes = select_slots(found, slots, known)
    told = {wish.user_id for wish in wishes}
    rest = [each for each in found if each.user_id not in told]
    if held := find_held_back(rest, slots, announced):
        write_held_back(session, detection, held, recipients(session, held, detection.seen_at), now)
    if not wishes:
        _log_nothing(session, detection)
        return []
    reached = recipients(session, told, detection.seen_at)
    open_ones = [slot for slot, _, _ in rows if slot.gone_at is None]
    result = MatchResult(detection, wishes, reached, detection.seen_at, open_ones, in_crowd=in_crowd)
    return _write_matches(session, result, now, inline)


def _write_matches(
    session: Session, result: MatchResult, now: datetime, inline: InlineClaim | None
) -> list[UUID]:
    """Write matches and notifications; return the ids of those to deliver that `inline` did not take."""
    written = write(session, result, now, inline)
    log_when_committed(
        session, "matched", detection=str(result.detection.id), desk=result.detection.desk_id,
        alerts=len(result.wishes), notifications=len(written.waiting) + len(written.inline), late=result.late,
    )  # fmt: skip
    return written.waiting


def _log_nothing(session: Session, detection: Detection) -> None:
    log_when_committed(
        session, "matched", detection=str(detection.id), desk=detection.desk_id, alerts=0, notifications=0
    )


def read_seen_slots(
    session: Session, detection: Detection, since: datetime, *, in_crowd: bool = False
) -> tuple[list[SeenSlot], bool]:
    """Return the slots that a detection saw, in their order, with their `earlier_openings`.

    Those that are gone are among them, except an unknown hour that was replaced by known ones: another detection has
    these. Second, whether anything may have been matched with this detection or a later one of its desk; in a crowd
    other parts have been.
    """
    given = describe_gone(since) | {"detection_id": detection.id}
    later = {} if in_crowd else {"desk_id": detection.desk_id, "seen_at": detection.seen_at}
    rows = session.execute(_select_seen(in_crowd=in_crowd), given | later).all()
    return [(row[0], row[1], row[2]) for row in rows], any(row[3] for row in rows)


def _are_new(detection: Detection, rows: Sequence[SeenSlot]) -> bool:
    """Whether only what was matched with this detection, or a later one of its desk, can have announced the slots."""
    return not any(same or unknown or slot.opened_at < detection.seen_at for slot, same, unknown in rows)


@lru_cache(maxsize=2)
def _select_seen(*, in_crowd: bool) -> sa.Select[SlotRow, list[int], list[int], bool]:
    saw = sa.select(DetectionSlot.slot_id).where(DetectionSlot.detection_id == sa.bindparam("detection_id"))
    replaced = SlotRow.gone_reason.is_not_distinct_from(GoneReason.SUPERSEDED)
    was_matched = sa.true() if in_crowd else _was_matched()
    query = sa.select(SlotRow, *earlier_openings(), was_matched).where(SlotRow.id.in_(saw), ~replaced)
    return query.order_by(SlotRow.id).execution_options(prepare=True)


def _was_matched() -> sa.ColumnElement[bool]:
    instant = sa.bindparam("seen_at", type_=sa.DateTime(timezone=True))
    later = Detection.desk_id == sa.bindparam("desk_id"), Detection.seen_at >= instant
    return sa.exists().where(Match.detection_id == Detection.id, *later).correlate(None)


def _wishes(
    session: Session, detection: Detection, slots: OpenSlots, found: list[Candidate], now: datetime
) -> list[WantedSlots]:
    if not found or not slots.ids:
        return []
    alert_ids = {each.alert_id for each in found}
    return select_slots(
        found, slots, already_notified(session, detection.desk_id, slots, alert_ids, _retold_since(now))
    )
