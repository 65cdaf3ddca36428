"""Stopping of alerts by the links of messages, and the mail when a running plan has no alert left."""

from collections.abc import Collection
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

import notifier
from api.accounts.entitlement import find_entitlement
from api.alerts.service import close_alert, lock_user
from api.models.alert import Alert, ClosedBecause
from configs.ground.clock import clock
from configs.world.plan import PlanName

_KIND = "last_way_stopped"


def stop_alerts(session: Session, user_id: UUID, alert_ids: Collection[UUID]) -> list[UUID]:
    """Stop a user's alerts; a repetition changes nothing. Return the notifications to nudge after the commit."""
    lock_user(session, user_id)
    stopped = []
    for alert_id in sorted(alert_ids):
        alert = session.get(Alert, alert_id, with_for_update=True, populate_existing=True)
        if alert and alert.closed_at is None:
            close_alert(session, alert, ClosedBecause.STOPPED)
            stopped.append(str(alert_id))
    session.flush()
    return _report_last(session, user_id, stopped) if stopped else []


def _report_last(session: Session, user_id: UUID, stopped: list[str]) -> list[UUID]:
    now = clock()
    if find_entitlement(session, user_id, now).plan.name is PlanName.NONE or has_waiting(session, user_id):
        return []
    params = {"at": now.isoformat(), "alerts": stopped}
    # One an hour: the link of a mail can be followed and undone without end.
    key = f"{_KIND}:{stopped[0]}:{now:%Y-%m-%dT%H}"
    return notifier.create_notifications(session, user_id, _KIND, params, key)


def has_waiting(session: Session, user_id: UUID, besides: Collection[UUID] = ()) -> bool:
    """Return whether an alert of the user waits for slots, besides these."""
    waiting = sa.select(Alert.id).where(
        Alert.user_id == user_id, Alert.enabled, Alert.closed_at.is_(None), Alert.id.not_in(besides)
    )
    return session.scalar(waiting.limit(1)) is not None


def has_stopped_last(session: Session, user_id: UUID) -> bool:
    """Return whether no alert of the user waits and a link stopped one: nothing will be sent."""
    by_link = sa.select(Alert.id).where(
        Alert.user_id == user_id, Alert.closed_because == ClosedBecause.STOPPED
    )
    return not has_waiting(session, user_id) and session.scalar(by_link.limit(1)) is not None
