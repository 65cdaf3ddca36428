"""Figures as operators see them: deliveries by provider or prefecture, false alarms that users report."""

from datetime import timedelta
from typing import Annotated, Any, Literal

import sqlalchemy as sa
from pydantic import Field
from sqlalchemy.orm import Session

from api.ground.paging import Found, MomentQuery, cut_page, read_cursor, write_cursor
from api.ground.schemas import Body
from api.models.answer import AnswerValue, MatchAnswer
from api.models.check import CheckDay
from api.models.notification import ALL, DeliveryFigure, Match
from api.models.slot import Detection, DetectionSlot, SlotRow, is_from_check
from api.models.user import Channel
from api.prefectures.answer_figures import ANSWER_COUNTS, HAS_ANSWERS, find_first_month
from api.prefectures.delivery_figures import FigureChoice, compute_day, read_days
from configs.ground.clock import clock

_DESKS_AT_ONCE = 35
MOST_DAYS, MOST_DAYS_BY_PREFECTURE = 31, 7
_DAY = timedelta(days=1)


class AnswersQuery(MomentQuery):
    """The last `months` of the figures; which page of the false alarms, and after how many desks."""

    months: Annotated[int, Field(ge=1, le=12)] = 3
    after: Annotated[int, Field(ge=0, le=100_000)] = 0
    limit: Annotated[int, Field(ge=1, le=100)] = 20


def read_overview(session: Session, wanted: AnswersQuery) -> Found[Any]:
    """Return a page of counts by desk, those with the most false alarms first: desk_id and those of ANSWER_COUNTS."""
    first = find_first_month(wanted.months)
    sums = {name: sa.func.sum(getattr(CheckDay, name)).label(name) for name in ANSWER_COUNTS}
    by_desk = sa.select(CheckDay.desk_id, *sums.values()).where(CheckDay.day >= first)
    by_desk = by_desk.group_by(CheckDay.desk_id).having(HAS_ANSWERS)
    worst = by_desk.order_by(sums["nothing_there"].desc(), sums["alerts"].desc(), CheckDay.desk_id)
    found = session.execute(worst.offset(wanted.after).limit(_DESKS_AT_ONCE + 1)).all()
    desks, more = cut_page(found, _DESKS_AT_ONCE)
    return Found(desks, wanted.after + _DESKS_AT_ONCE if more else None)


def list_false_alarms(session: Session, wanted: AnswersQuery) -> Found[Any]:
    """Return a page of the false alarms that are reported now, without their authors.

    Rows have the columns of an answer, detection_id, desk_id and seen_at of its detection, and still_open: whether a
    slot of the detection is open at this moment.
    """
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
        .join(Detection, sa.and_(Detection.id == Match.detection_id, is_from_check(Detection)))
        .order_by(page.c.answered_at.desc(), page.c.match_id.desc())
    )
    items, more = cut_page(session.execute(query).all(), wanted.limit)
    return Found(items, write_cursor(items[-1].answered_at, items[-1].match_id) if more else None)


class DeliveryQuery(Body):
    """Figures of the last `days`, today's among them: of one channel, provider or prefecture, or of all.

    `by`: all together and each provider, or each prefecture; of prefectures the last seven days at most. The provider
    `none` stands for messages that no provider accepted.
    """

    days: int = Field(7, ge=1, le=MOST_DAYS)
    channel: Channel | None = None
    provider: Annotated[str, Field(min_length=1, max_length=60)] | None = None
    prefecture: Annotated[str, Field(min_length=1, max_length=100)] | None = None
    by: Literal["provider", "prefecture"] = "provider"


def read_figures(session: Session, wanted: DeliveryQuery) -> Found[DeliveryFigure]:
    """Return today's figures, computed now, then the stored ones of past days."""
    now = clock()
    if wanted.by == "prefecture":
        days = min(wanted.days, MOST_DAYS_BY_PREFECTURE)
        choice = FigureChoice(wanted.channel, wanted.provider or ALL, wanted.prefecture)
    else:
        days = wanted.days
        choice = FigureChoice(wanted.channel, wanted.provider, wanted.prefecture or ALL)
    today, first = now.date(), now.date() - (days - 1) * _DAY
    return Found(compute_day(session, today, now, choice) + read_days(session, first, today - _DAY, choice))
