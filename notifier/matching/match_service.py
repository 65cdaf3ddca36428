"""Matching: open slots by waiting alerts, less those already announced to each; one transaction of a desk at a time.

What a lost job leaves undone is found by the next round over what is open. Where one untrusted person saw slots, a few
people who agreed are asked to open the desk's page.
"""

import math
from collections import defaultdict
from collections.abc import Collection, Hashable, Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from functools import lru_cache
from itertools import chain
from typing import TypeVar
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import INT8MULTIRANGE
from sqlalchemy.orm import Session

from api.models.alert import Alert
from api.models.base import new_id
from api.models.desk import Source
from api.models.notification import PAID_CHANNELS, HeldFor, Match, Notification, State, write_ranges
from api.models.organisation import Beneficiary
from api.models.report import LOOK_REQUESTED, Report
from api.models.slot import Detection, DetectionSlot, SlotRow
from api.models.user import Grant, User
from configs.settings import Constant
from configs.world.plan import PlanName, rank_plan
from notifier.content.slot_alert_content import read_moments
from notifier.delivery.delivery import log_when_committed
from notifier.delivery.message_writer import create_notifications
from notifier.delivery.reader_wishes import TIMES, read_times
from notifier.matching.message_edits import edit_tellings
from notifier.matching.notification_writer import InlineClaim, MatchResult, write_matches
from notifier.matching.queries import (
    Candidate,
    OpenSlots,
    candidates,
    of_waiting,
    read_matched,
    select_alike,
    select_slots,
    select_waiting,
)
from notifier.matching.recipients import choose_recipients
from notifier.matching.tellings import add_days, opening_of, read_lookers, read_told
from notifier.message_kinds.slots import unconfirmed_seconds

# How many alerts one detection is matched with in one job; where more wait, parts of them are jobs of their own
crowd_alerts = Constant("CROWD_ALERTS", 50)

# A failed or bounced message does not count as told, but one that would fail again is not written in each round.
_TRY_AGAIN = timedelta(minutes=30)
_LOCK = 0x524456  # "RDV": the class of these advisory locks
_PEOPLE = 1000  # in one part, at most: some 200 ms of work. Each statement of a part costs the more the smaller it is
_FEWEST = 2  # parts, one for each of the usual workers
_ASKED = 5  # people who are asked to look at one opening
_ASKED_A_DAY = 3  # times one person
_DAY, _LATELY = timedelta(days=1), timedelta(minutes=30)
_READ = 100  # people, of whom some are in their quiet hours
AlertId = TypeVar("AlertId", bound=Hashable)


def rehearse(session: Session, now: datetime) -> None:
    """Ask what a detection asks, of a desk that there is none of: connects, composes, compiles. Writes nothing."""
    nowhere = Detection(id=new_id(), desk_id="", prefecture_id="", procedures=[], seen_at=now)
    _take_unmatched(session, nowhere.id, now)
    candidates(session, nowhere, now, most=crowd_alerts())
    read_matched(session, _read_slots(session, nowhere, now, is_round=False), (), now, tried_since=now)
    choose_recipients(session, (nowhere.id,), now, now)


def match_detection(
    session: Session,
    detection_id: UUID,
    now: datetime,
    part: Collection[UUID] = (),
    inline: InlineClaim | None = None,
) -> tuple[list[UUID], list[list[str]]]:
    """Match a detection, once, or put the alerts that wait for it into parts where they are more than CROWD_ALERTS.

    Return the notifications to deliver, without those that `inline` takes, and the parts. Named alerts are such a
    `part`. Parts are matched at the same time: no alert is in two of them.
    """
    detection = session.get(Detection, detection_id) if part else _take_unmatched(session, detection_id, now)
    if detection is None:
        return [], []
    if part:
        session.execute(sa.select(_lock(sa.literal(detection.desk_id), shared=True)))
    most = crowd_alerts() if not part else None
    found = candidates(session, detection, detection.seen_at, part or None, most, in_doubt=detection.in_doubt)
    if most is None or len(found) <= most:
        untold = _find_untold(session, detection, found, now, is_round=False)
        returned = [key for key, slot in untold.slots.items() if slot.opened_at < detection.seen_at]
        held = _wake_held(session, returned, now) if returned else []
        written = _write(session, untold, now, inline) + held
        return written + ([] if part else _follow_opening(session, detection, now)), []
    parts = _split_crowd(session, detection)
    log_when_committed(session, "matched in parts", detection=str(detection_id), parts=len(parts))
    return _follow_opening(session, detection, now), parts


def _follow_opening(session: Session, detection: Detection, now: datetime) -> list[UUID]:
    """Edit what was told of an opening that people saw, or have some look where it is new and in doubt."""
    if detection.source is not Source.REPORT:
        return []
    earlier = sa.exists().where(Detection.opening_id == opening_of(detection), Detection.id != detection.id)
    if session.scalar(sa.select(earlier)):
        return edit_tellings(session, detection)
    return _ask_to_look(session, detection, now) if detection.in_doubt else []


def match_open_slots(
    session: Session,
    desk_id: str,
    now: datetime,
    alerts: Collection[UUID],
    inline: InlineClaim | None = None,
) -> list[UUID]:
    """Match a desk's open slots with some alerts; return the notifications to deliver."""
    written = []
    for newest in _list_newest(session, desk_id):
        if not candidates(session, newest, now, alerts):
            continue  # who waits for other desks waits for no lock of this one
        session.execute(sa.select(_lock(sa.literal(desk_id))))
        waiting = candidates(session, newest, now, alerts)
        written += _write(session, _find_untold(session, newest, waiting, now, is_round=True), now, inline)
    return written


def find_untold(session: Session, desk_id: str, now: datetime) -> list[list[UUID]]:
    """Return in parts the alerts that a desk's open slots are to be written for, those of higher plans in front.

    It takes no lock, so the result may be out of date.
    """
    found = []
    for newest in _list_newest(session, desk_id):
        waiting = candidates(session, newest, now)
        found.append(_find_untold(session, newest, waiting, now, is_round=True, is_patient=True))
    ranks = {to.user_id: to.plan_rank for each in found for to in each.recipients}
    untold = chain.from_iterable(each.wishes for each in found)
    wishes = sorted(untold, key=lambda wish: -ranks.get(wish.alert.user_id, 0))
    readers = {to.user_id: to.reader_id for each in found for to in each.recipients if to.reader_id}
    return _split_by_person(
        (readers.get(wish.alert.user_id, wish.alert.user_id), wish.alert.alert_id) for wish in wishes
    )


def _list_newest(session: Session, desk_id: str) -> list[Detection]:
    """Return the newest detection of each source that has seen open slots of a desk."""
    is_open = SlotRow.desk_id == desk_id, SlotRow.gone_at.is_(None)
    newest = sa.select(Detection).where(Detection.desk_id == desk_id).order_by(Detection.seen_at.desc())
    sources = session.scalars(sa.select(SlotRow.source).where(*is_open).distinct()).all()
    found = [session.scalar(newest.where(Detection.source == each).limit(1)) for each in sorted(sources)]
    return [each for each in found if each]


def _find_untold(
    session: Session,
    detection: Detection,
    found: list[Candidate],
    now: datetime,
    *,
    is_round: bool,
    is_patient: bool = False,
) -> MatchResult:
    """Return the open slots that alerts want and that are not announced; `is_patient`: recent failures count, too.

    Those of a detection, or in a round all of its desk. A user whom no contact reaches is matched all the same, which
    makes a notice; but once.
    """
    nothing = MatchResult(detection, (), (), {}, late=is_round)
    slots = _read_slots(session, detection, now, is_round=is_round) if found else None
    if slots is None or not slots.moments:
        return nothing
    tried = now - _TRY_AGAIN if is_patient else now
    matched = read_matched(session, slots, {each.alert_id for each in found}, now, tried_since=tried)
    wishes = select_slots(found, slots, matched)
    nothing = replace(nothing, slots=slots.rows)
    is_report, in_doubt = detection.source is Source.REPORT, detection.in_doubt and not is_round
    told, again = set[UUID](), set[UUID]()
    if is_report:
        everybody = {each.user_id for each in found}
        told = read_told(session, detection, everybody)
        if not is_patient:
            add_days(session, detection, (each for each in wishes if each.alert.user_id in told))
        if detection.is_again and not is_round:
            again = told - read_lookers(session, detection, told)
            of_told = [each for each in found if each.user_id in again]
            wishes = [each for each in wishes if each.alert.user_id not in again]
            wishes += select_slots(of_told, slots, {})
        wishes = [each for each in wishes if each.alert.user_id not in told - again]
    if not wishes:
        return nothing
    entitled_at = now if is_round else detection.seen_at
    users = {wish.alert.user_id for wish in wishes}
    reached = choose_recipients(session, users, entitled_at, now, is_report=is_report, in_doubt=in_doubt)
    reached = [each for each in reached if not (each.user_id in again and each.channel in PAID_CHANNELS)]
    users = {each.user_id for each in reached}
    wishes = [wish for wish in wishes if wish.is_new or wish.alert.user_id in users]
    return replace(nothing, wishes=wishes, recipients=reached)


def _read_slots(session: Session, detection: Detection, now: datetime, *, is_round: bool) -> OpenSlots:
    """Return in a round a desk's open slots that its source saw lately, none in doubt; of a detection its own."""
    confirmed = now - timedelta(seconds=unconfirmed_seconds())
    given = {"desk_id": detection.desk_id, "source": detection.source, "confirmed": confirmed}
    if not is_round:
        given = {"detection_id": detection.id, "at": detection.seen_at}
    rows = session.execute(_select_open(is_round=is_round), given).all()
    return OpenSlots(
        {slot.id: moment for slot, moment in read_moments(detection, (slot for slot, _ in rows))},
        min((slot.opened_at for slot, _ in rows), default=detection.seen_at),
        {slot.id: alike for slot, alike in rows if alike},
        {slot.id: slot for slot, _ in rows},
    )


@lru_cache(maxsize=2)
def _select_open(*, is_round: bool) -> sa.Select[SlotRow, list[int]]:
    """Return a query that a process composes once: that took longer than its answer."""
    if is_round:
        chosen = sa.and_(
            SlotRow.desk_id == sa.bindparam("desk_id"),
            SlotRow.source == sa.bindparam("source"),
            SlotRow.seen_at > sa.bindparam("confirmed"),
            ~SlotRow.in_doubt,
        )
    else:
        mine = sa.bindparam("detection_id", type_=sa.Uuid())
        saw = sa.select(DetectionSlot.slot_id).where(DetectionSlot.detection_id == mine)
        # A slot that returned is the later detection's to tell: parts of both run at once.
        this = sa.tuple_(sa.bindparam("at", type_=Detection.seen_at.type), mine)
        later = sa.tuple_(Detection.seen_at, Detection.id) > this
        again = sa.exists().where(
            DetectionSlot.slot_id == SlotRow.id, Detection.id == DetectionSlot.detection_id, later
        )
        chosen = sa.and_(SlotRow.id.in_(saw), ~again)
    query = sa.select(SlotRow, select_alike()).where(chosen, SlotRow.gone_at.is_(None))
    return query.execution_options(populate_existing=True)


def _write(
    session: Session, result: MatchResult, now: datetime, inline: InlineClaim | None = None
) -> list[UUID]:
    """Write matches and notifications; return the ids of those to deliver that `inline` did not take."""
    if result.late and not result.wishes:
        return []
    waiting = write_matches(session, result, now, inline) if result.wishes else []
    taken = len(inline.messages) if inline else 0
    log_when_committed(
        session, "matched", detection=str(result.detection.id), desk=result.detection.desk_id,
        alerts=len(result.wishes), notifications=len(waiting) + taken, late=result.late,
    )  # fmt: skip
    return waiting


def _wake_held(session: Session, returned: Collection[int], now: datetime) -> list[UUID]:
    """Let messages leave that wait for slots which a detection shows again, by their ids; return them."""
    row = Notification
    told = sa.type_coerce(Match.slots, INT8MULTIRANGE()).overlaps(write_ranges(returned))
    about = sa.exists().where(Match.announcement_id == row.announcement_id, told)
    held = row.state == State.PENDING, row.held_for == HeldFor.SLOTS, about
    free = sa.select(row.id).where(*held).order_by(row.id).with_for_update(skip_locked=True)
    woken = sa.update(row).where(row.id.in_(free)).values(next_attempt_at=now).returning(row.id)
    return list(session.scalars(woken.execution_options(synchronize_session=False)))


def open_desks(session: Session, now: datetime) -> list[str]:
    """Return the desks that have slots which were confirmed lately."""
    confirmed = now - timedelta(seconds=unconfirmed_seconds())
    lately = SlotRow.gone_at.is_(None), SlotRow.seen_at > confirmed, ~SlotRow.in_doubt
    query = sa.select(SlotRow.desk_id).where(*lately).distinct()
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
    mine = (
        sa.update(Detection)
        .where(Detection.id == detection_id, Detection.matched_at.is_(None))
        .values(matched_at=now)
        .returning(Detection, _lock(Detection.desk_id))
    )
    row = session.execute(mine.execution_options(synchronize_session=False)).first()
    return row[0] if row else None


def _split_crowd(session: Session, detection: Detection) -> list[list[str]]:
    """Return all alerts that wait for a detection, in parts; higher plans are in the first, which leave first."""
    at, rank = detection.seen_at, sa.case({name: rank_plan(name) for name in PlanName}, value=Grant.plan)
    mine = Grant.user_id == Alert.user_id, Grant.starts_at <= at, Grant.ends_at > at
    highest = (
        sa.select(sa.func.coalesce(sa.func.max(rank), 0)).where(*mine).correlate(Alert).scalar_subquery()
    )
    is_report = detection.source is Source.REPORT
    helps = sa.select(Beneficiary.organisation_id).where(Beneficiary.user_id == Alert.user_id)
    house = sa.func.coalesce(helps.correlate(Alert).scalar_subquery(), Alert.user_id)
    columns = sa.cast(house, sa.Text), sa.cast(Alert.id, sa.Text)
    waiting = select_waiting(columns, is_report=is_report, in_doubt=detection.in_doubt)
    found = session.execute(waiting.order_by(highest.desc(), Alert.user_id), of_waiting(detection, at)).all()
    return _split_by_person(((row[0], row[1]) for row in found), _FEWEST)


def _split_by_person(pairs: Iterable[tuple[Hashable, AlertId]], fewest: int = 1) -> list[list[AlertId]]:
    """Put alerts, each behind its user, into parts of as many people, those of one person together.

    So are those of the people whom one organisation helps: their caseworker gets one message.
    """
    of_user: dict[Hashable, dict[AlertId, None]] = defaultdict(dict)
    for user_id, alert_id in pairs:
        of_user[user_id][alert_id] = None
    people = list(of_user.values())
    size = max(1, math.ceil(len(people) / max(fewest, math.ceil(len(people) / _PEOPLE))))
    return [list(chain.from_iterable(people[start : start + size])) for start in range(0, len(people), size)]


def _ask_to_look(session: Session, detection: Detection, now: datetime) -> list[UUID]:
    """Write requests to people who wait for a desk, not to those who were told or looked; return what to deliver."""
    asked = 0
    written: list[UUID] = []
    for row in session.execute(_select_willing(detection, now), of_waiting(detection, now)).all():
        times = read_times(row)
        if asked == _ASKED or (times and times.is_quiet(now)):
            continue
        params = {"desk_id": detection.desk_id, "seen": detection.seen_at.isoformat()}
        key = f"look:{detection.id}:{row.id}"
        written += create_notifications(session, row.id, LOOK_REQUESTED, params, key)
        asked += 1
    return written


def _select_willing(detection: Detection, now: datetime) -> sa.Select[*tuple[object, ...]]:
    """Return the query of the people to ask, the one whose last request is oldest first."""
    row = Notification
    mine = row.user_id == User.id, row.kind == LOOK_REQUESTED
    recent = sa.select(sa.func.count(row.params["seen"].astext.distinct())).where(
        *mine, row.created_at > now - _DAY
    )
    same = sa.exists().where(
        *mine, row.created_at > now - _LATELY, row.params["desk_id"].astext == detection.desk_id
    )
    last = sa.select(sa.func.max(row.created_at)).where(*mine)
    here = Report.desk_id == detection.desk_id, Report.seen_at > now - _LATELY
    has_looked = sa.select(Report.user_id).where(Report.user_id == User.id, *here).exists()
    waits = User.id.in_(select_waiting((Alert.user_id,), is_report=True))
    query = sa.select(User.id, *TIMES).where(User.may_be_asked, ~User.told_in_doubt, waits)
    free = query.where(recent.scalar_subquery() < _ASKED_A_DAY, ~same, ~has_looked)
    return free.order_by(last.scalar_subquery().asc().nulls_first(), sa.func.random()).limit(_READ)
