"""Reads of a user's alerts and how well each is served, in a few queries for any number of alerts."""

from collections.abc import Iterable
from functools import cache
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session, joinedload

from api.alerts.schemas import AlertAnswer, AlertPage, AlertQuery, AppointmentAnswer
from api.alerts.targets import find_watched_desks, get_prefecture_id, read_limits
from api.errors import not_found
from api.models.alert import Alert
from api.models.appointment import Appointment
from api.models.base import is_any_given
from api.models.notification import Match, MatchSlot, Notification, NotificationMatch
from api.models.slot_ids import announced_ids, read_ranges
from api.paging import read_page
from api.prefectures.desk_queries import read_watch_states
from api.prefectures.schemas import DeskAnswer
from configs.prefecture import WatchLevel

_BEST = (WatchLevel.FULL, WatchLevel.PRESENCE, WatchLevel.NONE)


def read_alert_page(session: Session, user_id: UUID, page: AlertQuery) -> AlertPage:
    """Return a page of the user's open alerts, the newest first."""
    query = sa.select(Alert).where(Alert.user_id == user_id, Alert.closed_at.is_(None))
    found, following = read_page(session, query.options(joinedload(Alert.targets)), Alert.id, page)
    return AlertPage(items=_build_answers(session, found), next=following)


def find_alert(session: Session, user_id: UUID, alert_id: UUID) -> Alert:
    """Return one of the user's alerts, also a closed one.

    Raises:
        api.errors.ApiError: 404.
    """
    alert = session.get(Alert, alert_id, options=[joinedload(Alert.targets)])
    if alert is None or alert.user_id != user_id:
        raise not_found("alert")
    return alert


def read_alert(session: Session, alert: Alert) -> AlertAnswer:
    """Return one alert; a closed one with its appointment."""
    session.flush()
    (answer,) = _build_answers(session, [alert])
    if alert.closed_at is None:
        return answer
    kept = session.scalars(sa.select(Appointment).where(Appointment.alert_id == alert.id)).one_or_none()
    return answer.model_copy(update={"appointment": kept and AppointmentAnswer.model_validate(kept)})


def _build_answers(session: Session, found: Iterable[Alert]) -> list[AlertAnswer]:
    alerts = list(found)
    about = {alert.id: find_watched_desks(alert.targets) for alert in alerts}
    now = read_watch_states(session, {desk.id: desk for some in about.values() for desk in some}.values())
    slots, sent = _count_slots(session, about), _count_notifications(session, about)
    return [
        _build_answer(
            alert,
            [now.build_answer(desk) for desk in about[alert.id]],
            slots.get(alert.id, 0),
            sent.get(alert.id, 0),
        )
        for alert in alerts
    ]


def _count_slots(session: Session, ids: Iterable[UUID]) -> dict[UUID, int]:
    """Count the different slots that each alert announced."""
    rows = session.execute(_select_slots(), {"alerts": list(ids)})
    return {alert_id: sum(map(len, read_ranges(text))) for alert_id, text in rows}


@cache
def _select_slots() -> sa.Select[UUID, str]:
    all_ranges = sa.cast(sa.func.range_agg(announced_ids()), sa.Text)
    query = sa.select(Match.alert_id, all_ranges).join(MatchSlot, MatchSlot.match_id == Match.id)
    return query.where(is_any_given(Match.alert_id, "alerts")).group_by(Match.alert_id)


def _count_notifications(session: Session, ids: Iterable[UUID]) -> dict[UUID, int]:
    return dict(iter(session.execute(_select_notifications(), {"alerts": list(ids)})))


@cache
def _select_notifications() -> sa.Select[UUID, int]:
    return (
        sa.select(Match.alert_id, sa.func.count(Notification.id.distinct()))
        .join(NotificationMatch, NotificationMatch.match_id == Match.id)
        .join(Notification, Notification.id == NotificationMatch.notification_id)
        .where(is_any_given(Match.alert_id, "alerts"), Notification.accepted_at.is_not(None))
        .group_by(Match.alert_id)
    )


def _build_answer(alert: Alert, desks: list[DeskAnswer], slots: int, sent: int) -> AlertAnswer:
    levels = {desk.watch_level for desk in desks}
    return AlertAnswer(
        id=alert.id,
        name=alert.name,
        prefecture_id=get_prefecture_id(alert.targets),
        procedures=sorted(target.procedure for target in alert.targets if target.procedure),
        desk_ids=[target.desk_id for target in alert.targets if target.desk_id],
        limits=read_limits(alert.targets[0]),
        is_active=alert.waits,
        awaits_watch=alert.awaits_watch,
        limits_version=alert.limits_version,
        language=alert.language,
        created_at=alert.created_at,
        updated_at=alert.updated_at,
        closed_at=alert.closed_at,
        closed_because=alert.closed_because,
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
