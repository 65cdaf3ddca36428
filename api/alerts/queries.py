"""Reads of a user's alerts and how well each is served, in five queries for any number of alerts."""

from collections.abc import Iterable
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session, selectinload

from api.alerts.schemas import AlertAnswer, Limits
from api.alerts.targets import find_watched_desks, get_prefecture_id
from api.models.alert import Alert, AlertTarget
from api.models.notification import Match, Notification, NotificationMatch
from api.models.slot_ids import select_announced_slots
from api.prefectures.desk_queries import read_watch_states
from api.prefectures.schemas import DeskAnswer
from configs.prefecture import WatchLevel

_BEST = (WatchLevel.FULL, WatchLevel.PRESENCE, WatchLevel.NONE)


def read_alerts(session: Session, user_id: UUID) -> list[AlertAnswer]:
    """Return the user's open alerts, the newest first."""
    return _build_answers(
        session,
        session.scalars(
            sa.select(Alert)
            .where(Alert.user_id == user_id, Alert.closed_at.is_(None))
            .order_by(Alert.created_at.desc(), Alert.id.desc())
            .options(selectinload(Alert.targets))
        ),
    )


def read_alert(session: Session, alert: Alert) -> AlertAnswer:
    """Return one alert."""
    session.flush()
    return _build_answers(session, [alert])[0]


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
    told = select_announced_slots()
    query = (
        sa.select(Match.alert_id, sa.func.count(told.c.slot_id.distinct()))
        .join(told, told.c.match_id == Match.id)
        .where(Match.alert_id.in_(list(ids)))
        .group_by(Match.alert_id)
    )
    return dict(iter(session.execute(query)))


def _count_notifications(session: Session, ids: Iterable[UUID]) -> dict[UUID, int]:
    query = (
        sa.select(Match.alert_id, sa.func.count(Notification.id.distinct()))
        .join(NotificationMatch, NotificationMatch.match_id == Match.id)
        .join(Notification, Notification.id == NotificationMatch.notification_id)
        .where(Match.alert_id.in_(list(ids)), Notification.accepted_at.is_not(None))
        .group_by(Match.alert_id)
    )
    return dict(iter(session.execute(query)))


def _build_answer(alert: Alert, desks: list[DeskAnswer], slots: int, sent: int) -> AlertAnswer:
    levels = {desk.watch_level for desk in desks}
    return AlertAnswer(
        id=alert.id,
        name=alert.name,
        prefecture_id=get_prefecture_id(alert.targets),
        procedures=sorted(target.procedure for target in alert.targets if target.procedure),
        desk_ids=[target.desk_id for target in alert.targets if target.desk_id],
        limits=_build_limits(alert.targets[0]),
        is_active=alert.enabled,
        awaits_watch=alert.awaits_watch,
        created_at=alert.created_at,
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


def _build_limits(target: AlertTarget) -> Limits:
    return Limits.model_construct(
        date_from=target.date_from,
        date_to=target.date_to,
        weekdays=target.weekdays or [],
        hour_from=target.hour_from,
        hour_to=target.hour_to,
        sites=target.sites or [],
    )
