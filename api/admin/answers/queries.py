"""Reads of answers for operators: counts by desk, and reports of pages that showed nothing."""

from datetime import date

import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.admin.answers.schemas import (
    MOST_DESKS,
    AnswerOverview,
    DeskAnswers,
    FalseAlarm,
    FalseAlarmPage,
    FalseAlarmQuery,
)
from api.figures.answers import ANSWER_COUNTS, HAS_ANSWERS
from api.models.answer import AnswerValue, MatchAnswer
from api.models.check_day import CheckDay
from api.models.notification import Match
from api.models.slot import Detection, DetectionSlot, SlotRow
from api.paging import cut_page, read_cursor, write_cursor


def read_overview(session: Session, first: date) -> AnswerOverview:
    """Return the counts since a month, given by its first day."""
    sums = {name: sa.func.sum(getattr(CheckDay, name)).label(name) for name in ANSWER_COUNTS}
    by_desk = sa.select(CheckDay.desk_id, *sums.values()).where(CheckDay.day >= first)
    by_desk = by_desk.group_by(CheckDay.desk_id).having(HAS_ANSWERS)
    worst = by_desk.order_by(sums["nothing_there"].desc(), sums["alerts"].desc(), CheckDay.desk_id)
    found = session.execute(worst.limit(MOST_DESKS)).mappings()
    return AnswerOverview(
        desks=[DeskAnswers.model_validate(dict(each)) for each in found],
        total=session.scalar(sa.select(sa.func.count()).select_from(by_desk.subquery())) or 0,
    )


def list_false_alarms(session: Session, wanted: FalseAlarmQuery) -> FalseAlarmPage:
    """Return a page of the reports that stand now."""
    place = sa.tuple_(MatchAnswer.answered_at, MatchAnswer.match_id)
    reported = sa.select(MatchAnswer).where(MatchAnswer.value == AnswerValue.NOTHING_THERE)
    if wanted.before:
        reported = reported.where(place < sa.tuple_(*read_cursor(wanted.before)))
    newest = reported.order_by(MatchAnswer.answered_at.desc(), MatchAnswer.match_id.desc())
    page = newest.limit(wanted.limit + 1).subquery()
    is_open = sa.select(DetectionSlot.slot_id).join(SlotRow, SlotRow.id == DetectionSlot.slot_id)
    is_open = is_open.where(DetectionSlot.detection_id == Detection.id, SlotRow.gone_at.is_(None))
    query = (
        sa.select(page, Detection.id.label("detection_id"), Detection.desk_id, Detection.seen_at)
        .add_columns(is_open.exists().label("still_open"))
        .join(Match, Match.id == page.c.match_id)
        .join(Detection, Detection.id == Match.detection_id)
        .order_by(page.c.answered_at.desc(), page.c.match_id.desc())
    )
    shown, more = cut_page(session.execute(query).all(), wanted.limit)
    items = [FalseAlarm.model_validate(each) for each in shown]
    return FalseAlarmPage(
        items=items, next=write_cursor(items[-1].answered_at, items[-1].match_id) if more else None
    )
