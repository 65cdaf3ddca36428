"""Messages as operators see them, without address and text; those that failed for good, and sending them again.

A provider may repeat the address in its answer, so reasons are masked before they are shown, counted or searched.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Annotated, Any, Literal
from uuid import UUID

import sqlalchemy as sa
from pydantic import Field
from sqlalchemy.orm import Session

import notifier
from api.admin.desks import DAY, MONTH
from api.alerts.notifications.reasons import UNKNOWN
from api.ground.messages import nudge_later
from api.ground.paging import (
    Found,
    MomentQuery,
    PageQuery,
    apply_filter,
    cut_page,
    read_cursor,
    read_moments,
    read_page,
    write_cursor,
)
from api.ground.schemas import Body
from api.models.answer import AnswerValue, MatchAnswer
from api.models.base import first_id_at
from api.models.check import CheckDay
from api.models.delivery_figure import ALL, DeliveryFigure
from api.models.notification import Match, Notification, State
from api.models.slot import Detection, DetectionSlot, SlotRow
from api.models.user import Channel
from api.prefectures.answer_figures import ANSWER_COUNTS, HAS_ANSWERS
from api.prefectures.delivery_figures import FigureChoice, compute_day, read_days
from configs.ground.clock import clock
from configs.ground.logs import mask_text

MOST_REPLAYED = 1000
_MOST_CAUSES = 20
Kind = Annotated[str, Field(max_length=60)]
Part = Annotated[str, Field(pattern=r"^[^\x00]*[^\s\x00][^\x00]*$", min_length=1, max_length=200)]


class MessageQuery(PageQuery):
    """Messages of a user, or of all users in the last `hours`."""

    user_id: UUID | None = None
    channel: Channel | None = None
    kind: Kind | None = None
    state: State | None = None
    hours: int = Field(DAY, ge=1, le=MONTH)


class DeadLetterQuery(MomentQuery):
    """Messages that failed for good in the last `hours`; `reason`: a part of the masked reason."""

    channel: Channel | None = None
    kind: Kind | None = None
    reason: Part | None = None
    hours: int = Field(DAY, ge=1, le=MONTH)


class Replay(Body):
    """Which dead letters to send again: one by its `id`, however old it is, or the newest MOST_REPLAYED of a filter.

    `unsure`: also those that may have arrived; their recipients may get them twice.
    """

    id: UUID | None = None
    channel: Channel | None = None
    kind: Kind | None = None
    reason: Part | None = None
    hours: Annotated[int, Field(ge=1, le=MONTH)] = DAY
    unsure: bool = False


def list_messages(session: Session, wanted: MessageQuery) -> Found[Notification]:
    """Return a page of messages, the newest first."""
    query = sa.select(Notification)
    if wanted.user_id:
        query = query.where(Notification.user_id == wanted.user_id)
    else:
        query = query.where(Notification.id >= first_id_at(clock() - timedelta(hours=wanted.hours)))
    columns = {name: getattr(Notification, name) for name in ("channel", "kind", "state")}
    query = apply_filter(query, wanted, **columns)
    return Found(*read_page(session, query, Notification.id, wanted))


def list_dead_letters(session: Session, wanted: DeadLetterQuery) -> Found[Notification]:
    """Return a page of messages that failed for good, the latest failure first."""
    query = _select_dead(session, wanted)
    return Found(*read_moments(session, query, Notification.failed_at, Notification.id, wanted))


def count_dead_letters(session: Session, wanted: Replay) -> int:
    """Return how many dead letters a replay would choose, MOST_REPLAYED at most."""
    meant = _select_dead(session, wanted).with_only_columns(Notification.id).limit(MOST_REPLAYED)
    return session.scalar(sa.select(sa.func.count()).select_from(meant.subquery())) or 0


@dataclass(frozen=True, slots=True)
class Cause:
    """How many messages of a channel and kind failed for one reason."""

    channel: Channel
    kind: str
    reason: str  # masked
    messages: int


def list_causes(session: Session, hours: int) -> list[Cause]:
    """Return why messages failed for good in the last hours, the most frequent causes first, _MOST_CAUSES at most."""
    columns = (Notification.channel, Notification.kind, Notification.reason)
    query = (
        sa.select(*columns, sa.func.count())
        .where(Notification.state == State.FAILED, Notification.failed_at >= clock() - timedelta(hours=hours))
        .group_by(*columns)
        .order_by(Notification.reason, Notification.channel, Notification.kind)
    )
    found: Counter[tuple[Channel, str, str]] = Counter()
    for channel, kind, reason, messages in session.execute(query):
        found[channel, kind, mask_text(reason or "")] += messages
    return [Cause(*cause, messages) for cause, messages in found.most_common(_MOST_CAUSES)]


def replay_dead_letters(session: Session, wanted: Replay) -> tuple[int, list[UUID]]:
    """Make dead letters pending again; return how many were chosen, and the ids of those that became pending.

    Without `unsure`, letters that may have arrived stay dead. They are chosen last, to take no place from older ones.
    """
    stays = [] if wanted.unsure else [sa.func.coalesce(Notification.reason, "").startswith(UNKNOWN)]
    latest = (Notification.failed_at.desc(), Notification.id.desc())
    query = _select_dead(session, wanted).order_by(*stays, *latest)
    chosen = [each.id for each in session.scalars(query.limit(MOST_REPLAYED))]
    return len(chosen), nudge_later(session, notifier.replay(session, chosen, unsure=wanted.unsure))


def _select_dead(session: Session, wanted: DeadLetterQuery | Replay) -> sa.Select[Notification]:
    query = sa.select(Notification).where(Notification.state == State.FAILED)
    if isinstance(wanted, Replay) and wanted.id:
        return query.where(Notification.id == wanted.id)
    query = query.where(Notification.failed_at >= clock() - timedelta(hours=wanted.hours))
    query = apply_filter(query, wanted, channel=Notification.channel, kind=Notification.kind)
    if wanted.reason:
        reasons = session.scalars(query.with_only_columns(Notification.reason).distinct()).all()
        query = query.where(
            Notification.reason.in_([each for each in reasons if each and wanted.reason in mask_text(each)])
        )
    return query


_MOST_DESKS = 100


class FalseAlarmQuery(MomentQuery):
    """Which page of the false alarms."""


def read_overview(session: Session, first: date) -> tuple[Sequence[Any], int]:
    """Return counts since the `first` day, a row for each desk, those with the most false alarms first.

    Their columns are desk_id and those of ANSWER_COUNTS; the second value is the number of all such desks.
    """
    sums = {name: sa.func.sum(getattr(CheckDay, name)).label(name) for name in ANSWER_COUNTS}
    by_desk = sa.select(CheckDay.desk_id, *sums.values()).where(CheckDay.day >= first)
    by_desk = by_desk.group_by(CheckDay.desk_id).having(HAS_ANSWERS)
    worst = by_desk.order_by(sums["nothing_there"].desc(), sums["alerts"].desc(), CheckDay.desk_id)
    number = sa.select(sa.func.count()).select_from(by_desk.subquery())
    return session.execute(worst.limit(_MOST_DESKS)).all(), session.scalar(number) or 0


def list_false_alarms(session: Session, wanted: FalseAlarmQuery) -> Found[Any]:
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
        .join(Detection, Detection.id == Match.detection_id)
        .order_by(page.c.answered_at.desc(), page.c.match_id.desc())
    )
    items, more = cut_page(session.execute(query).all(), wanted.limit)
    return Found(items, write_cursor(items[-1].answered_at, items[-1].match_id) if more else None)


MOST_DAYS, MOST_DAYS_BY_PREFECTURE = 31, 7
_DAY = timedelta(days=1)


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
