"""Pausing, resuming and stopping of alerts from a chat."""

from collections.abc import Sequence
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import selectinload

from api.alerts.service import lock_user, may_reopen, reopen_alert, switch_alert
from api.alerts.stopping import stop_alerts
from api.bot.replies import LinkedChat
from api.errors import ApiError
from api.models.alert import REOPENS, Alert
from configs.ground.clock import clock

DONE = {"pause": "paused", "resume": "resumed", "stop": "stopped"}  # the word of an event, by action
NOTHING, GONE = "nothing", "gone"
# Of the words of refusals those that have a line of their own.
_REFUSED = {
    "plan-needed": "plan_needed", "plan-limit": "plan_limit", "fair-use": "fair_use", "not-watched": "not_watched",
    "not-found": GONE,
}  # fmt: skip


def list_candidates(chat: LinkedChat, action: str) -> list[Alert]:
    """Return the user's alerts to which an action applies, the oldest first, under a lock of the user's row."""
    lock_user(chat.session, chat.user.id)
    is_listed = sa.or_(Alert.closed_at.is_(None), Alert.closed_at > clock() - REOPENS)
    mine = (
        sa.select(Alert)
        .where(Alert.user_id == chat.user.id, is_listed)
        .options(selectinload(Alert.targets))
        .order_by(Alert.id)
        .execution_options(populate_existing=True)
    )
    return [each for each in chat.session.scalars(mine) if _allows(action, each)]


def _allows(action: str, alert: Alert) -> bool:
    if alert.closed_at is not None:
        return action == "resume" and may_reopen(alert)
    return {"pause": alert.enabled, "resume": not alert.enabled and not alert.awaits_watch, "stop": True}[
        action
    ]


def act_on(chat: LinkedChat, action: str, alerts: Sequence[Alert]) -> str:
    """Do it to each of these alerts until one refuses; return the word of what came of it."""
    if not alerts:
        return NOTHING
    for alert in alerts:
        try:
            _act(chat, action, alert)
        except ApiError as error:  # it is raised before the alert changes
            return _REFUSED.get(error.word, "refused")
    return DONE[action]


def act_on_one(chat: LinkedChat, action: str, alert_id: UUID) -> str:
    """Do it to one alert; return the word of what came of it. A repetition changes nothing."""
    lock_user(chat.session, chat.user.id)
    alert = chat.session.get(Alert, alert_id)
    if alert is None or alert.user_id != chat.user.id:
        return GONE
    if alert.closed_at is not None and not may_reopen(alert):
        return GONE
    return act_on(chat, action, [alert])


def _act(chat: LinkedChat, action: str, alert: Alert) -> None:
    session, user_id = chat.session, chat.user.id
    if action == "stop":
        chat.outcome.messages += stop_alerts(session, user_id, [alert.id])
        return
    waited = alert.waits
    if action == "resume" and alert.closed_at is not None:
        reopen_alert(session, alert)
    switch_alert(session, user_id, alert.id, enabled=action == "resume")
    if alert.waits and not waited:
        chat.outcome.alerts.append(alert.id)
