"""Queries of a user's alerts and how well each is served: as many for one alert as for a hundred."""

from collections.abc import Collection, Iterable, Sequence
from functools import cache
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session, joinedload

from api.alerts.schemas import AlertAnswer, AlertPage, AlertQuery, AppointmentAnswer, SentMessage, Voice
from api.alerts.targets import find_watched_desks, get_prefecture_id, read_limits
from api.ground.errors import ensure_found
from api.ground.paging import cut_page
from api.models.alert import Alert
from api.models.appointment import Appointment
from api.models.base import is_any_of
from api.models.notification import Match, Notification, read_ranges
from api.prefectures.schemas import DeskAnswer
from api.prefectures.watch_states import read_watch_states
from configs.world.desk import WatchLevel

Row = sa.Row[Alert, str | None, int]
_BEST = tuple(WatchLevel)


def read_alert_page(session: Session, user_id: UUID, page: AlertQuery) -> AlertPage:
    """Return a page of the user's open alerts, the newest first."""
    given = {"user": user_id, "before": page.before, "most": page.limit + 1}
    found = session.execute(_select_page(page.before is not None), given).unique().all()
    rows, more = cut_page(found, page.limit)
    return AlertPage(items=_build_answers(session, rows), next=rows[-1].Alert.id if more else None)


def list_closed_alerts(session: Session, user_id: UUID, most: int) -> list[AlertAnswer]:
    """Return the user's alerts that were closed last, with the appointments that were found."""
    newest = _select_alerts().where(Alert.closed_at.is_not(None)).order_by(Alert.closed_at.desc()).limit(most)
    rows = session.execute(newest, {"user": user_id}).unique().all()
    return _add_appointments(session, _build_answers(session, rows))


def read_own_alert(session: Session, user_id: UUID, alert_id: UUID) -> AlertAnswer:
    """Return one of the user's alerts; also a closed one, with its appointment.

    Raises:
        ApiError: 404.
    """
    given = {"user": user_id, "alert": alert_id}
    row = ensure_found(session.execute(_select_one(), given).unique().one_or_none(), "alert")
    answers = _build_answers(session, [row])
    return (_add_appointments(session, answers) if row.Alert.closed_at else answers)[0]


def read_alert(session: Session, alert: Alert) -> AlertAnswer:
    """Return an alert as it was changed just now; a closed one with its appointment."""
    session.flush()
    return read_own_alert(session, alert.user_id, alert.id)


@cache
def _select_page(goes_on: bool) -> sa.Select[Alert, str | None, int]:
    query = _select_alerts().where(Alert.closed_at.is_(None))
    if goes_on:
        query = query.where(Alert.id < sa.bindparam("before"))
    return query.order_by(Alert.id.desc()).limit(sa.bindparam("most", type_=sa.Integer()))


@cache
def _select_one() -> sa.Select[Alert, str | None, int]:
    # With LIMIT the targets are joined outside of a subquery: the counts are made once, not for each target.
    return _select_alerts().where(Alert.id == sa.bindparam("alert")).limit(1)


def list_sent_messages(
    session: Session, alert_id: UUID, detection_ids: Collection[UUID]
) -> list[SentMessage]:
    """Return the messages about detections of an alert, the newest first; the caller has checked whose it is."""
    is_its = (Match.alert_id == alert_id, is_any_of(Match.detection_id, detection_ids))
    query = (
        sa.select(Match.detection_id, Notification.channel, Notification.state)
        .join(Notification, Notification.announcement_id == Match.announcement_id)
        .where(*is_its)
        .order_by(Notification.id.desc())
    )
    return [SentMessage.model_validate(row) for row in session.execute(query)]


def _select_alerts() -> sa.Select[Alert, str | None, int]:
    """Return the query for alerts of `user`: alert with targets, ids of announced slots (ranges), messages sent."""
    all_ranges = sa.cast(sa.func.range_agg(Match.slots), sa.Text)
    slots = sa.select(all_ranges).where(Match.alert_id == Alert.id)
    sent = (
        sa.select(sa.func.count(Notification.id.distinct()))
        .join(Match, Match.announcement_id == Notification.announcement_id)
        .where(Match.alert_id == Alert.id, Notification.accepted_at.is_not(None))
    )
    query = sa.select(Alert, slots.scalar_subquery().label("slots"), sent.scalar_subquery().label("sent"))
    return query.options(joinedload(Alert.targets)).where(Alert.user_id == sa.bindparam("user"))


def _add_appointments(session: Session, answers: Sequence[AlertAnswer]) -> list[AlertAnswer]:
    its = sa.select(Appointment).where(is_any_of(Appointment.alert_id, [each.id for each in answers]))
    told = {
        each.alert_id: AppointmentAnswer.model_validate(each)
        for each in session.scalars(its)
        if each.at or each.place
    }
    return [each.model_copy(update={"appointment": told.get(each.id)}) for each in answers]


def _build_answers(session: Session, rows: Iterable[Row]) -> list[AlertAnswer]:
    found = [(row, find_watched_desks(row.Alert.targets)) for row in rows]
    now = read_watch_states(session, {desk.id: desk for _, desks in found for desk in desks}.values())
    return [
        _build_answer(
            row.Alert,
            [now.build_answer(desk) for desk in desks],
            sum(map(len, read_ranges(row.slots or ""))),
            row.sent,
        )
        for row, desks in found
    ]


def _build_answer(alert: Alert, desks: list[DeskAnswer], slots: int, sent: int) -> AlertAnswer:
    levels = {desk.watch_level for desk in desks}
    return AlertAnswer.of_row(
        alert,
        prefecture_id=get_prefecture_id(alert.targets),
        procedures=sorted(target.procedure for target in alert.targets if target.procedure),
        desk_ids=[target.desk_id for target in alert.targets if target.desk_id],
        limits=read_limits(alert.targets[0]),
        voice=Voice.model_construct(enabled=alert.voice_enabled),
        is_active=alert.waits,
        appointment=None,
        slots_found=slots,
        notifications_sent=sent,
        last_checked_at=max((desk.last_checked_at for desk in desks if desk.last_checked_at), default=None),
        last_proven_at=max((desk.last_proven_at for desk in desks if desk.last_proven_at), default=None),
        watch_level=next((level for level in _BEST if level in levels), WatchLevel.NONE),
        wished_interval=_find_shortest(desk.wished_interval for desk in desks),
        feasible_interval=_find_shortest(desk.feasible_interval for desk in desks),
        achieved_interval=_find_shortest(desk.achieved_interval for desk in desks),
        desks=desks,
    )


def _find_shortest(intervals: Iterable[float | None]) -> float | None:
    return min((each for each in intervals if each is not None), default=None)
