"""Answers and changes of alerts that a chat asks for."""

from collections.abc import Sequence
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import selectinload

from api.accounts.queries import lock_user
from api.alerts.service import may_reopen, reopen_alert, stop_alerts, switch_alert
from api.answers.matches import AnnouncedMatch, list_announced, list_together
from api.answers.service import AnswerFinal, AnswerRefused, store_answers
from api.bot.updates import LinkedChat, PressedMessage
from api.errors import ApiError
from api.models.alert import REOPENS, Alert
from api.models.answer import AnswerValue, AnswerVia
from api.models.base import is_any_of
from api.models.notification import Match, Notification
from api.models.slot import Detection
from configs.ground.bot_buttons import ALL, BACK, AnswerButton
from configs.ground.clock import clock

_CLOSES_ALERT = frozenset({AnswerValue.FOUND, AnswerValue.STOPPED})  # asked by alert; the others by desk
DONE = {"pause": "paused", "resume": "resumed", "stop": "stopped"}  # the word of an event, by action
NOTHING, GONE = "nothing", "gone"
# Of the words of refusals those that have a line of their own.
_REFUSED = {
    "plan-needed": "plan_needed", "plan-limit": "plan_limit", "fair-use": "fair_use", "not-watched": "not_watched",
    "not-found": GONE,
}  # fmt: skip


def answer_alert(chat: LinkedChat, button: AnswerButton, message: PressedMessage, key: str) -> str:
    """Store an answer, or ask which of several matches it is about; return the word of the reply, empty for none.

    The message is edited to show what was answered; once for each `key`.
    """
    row = chat.session.get(Notification, button.notification_id)
    if row is None:
        return "unknown"
    announced = list_announced(chat.session, row.id)
    if any(owner != chat.user.id for owner in (row.user_id, *(each.user_id for each in announced))):
        return "not_yours"
    if not announced:
        return "unknown"
    word, asks = _store_or_ask(chat, announced, button)
    _edit(chat, row, message, key, asks=asks)
    return word


def _store_or_ask(
    chat: LinkedChat, announced: Sequence[AnnouncedMatch], button: AnswerButton
) -> tuple[str, str]:
    """Return the word of the reply, and the answer of which the message is to ask what it is about."""
    if button.answer == BACK:
        return "", ""
    value = AnswerValue(button.answer)
    wanted = _choose(announced, _group(chat, announced, value), button.match)
    return ("", value.value) if wanted is None else (_store(chat, wanted, value), "")


def _group(chat: LinkedChat, announced: Sequence[AnnouncedMatch], value: AnswerValue) -> dict[UUID, object]:
    """Return by match what the answer is about: its alert where it closes that, else its desk."""
    if value in _CLOSES_ALERT:
        return {each.match_id: each.alert_id for each in announced}
    desks = (
        sa.select(Match.id, Detection.desk_id)
        .join(Detection, Detection.id == Match.detection_id)
        .where(is_any_of(Match.id, [each.match_id for each in announced]))
    )
    return {row.id: row.desk_id for row in chat.session.execute(desks)}


def _choose(
    announced: Sequence[AnnouncedMatch], group_of: dict[UUID, object], chosen: UUID | str | None
) -> list[UUID] | None:
    """Return the matches that an answer is about: none of a match that is gone, None where that is to be asked."""
    ids = [each.match_id for each in announced]
    if chosen == ALL or len(set(group_of.values())) == 1:
        return ids
    if chosen is None:
        return None
    group = group_of.get(chosen) if isinstance(chosen, UUID) else None
    return [each for each in ids if group is not None and group_of.get(each) == group]


def _store(chat: LinkedChat, match_ids: Sequence[UUID], value: AnswerValue) -> str:
    try:
        stored = store_answers(chat.session, chat.user.id, match_ids, value, AnswerVia.TELEGRAM)
    except AnswerFinal:
        return "final"
    except AnswerRefused:
        return "unknown"
    chat.outcome.messages += stored.messages
    chat.outcome.alerts += stored.reopened
    if stored.reopened:
        return "reopened"
    is_over = value not in _CLOSES_ALERT and not _has_open_alert(chat, match_ids)
    return "stays_closed" if is_over else value.value


def _has_open_alert(chat: LinkedChat, match_ids: Sequence[UUID]) -> bool:
    """Return whether an alert of these matches is open, paused or not."""
    opened = (
        sa.select(Alert.id)
        .join(Match, Match.alert_id == Alert.id)
        .where(is_any_of(Match.id, match_ids), Alert.closed_at.is_(None))
    )
    return chat.session.scalar(opened.limit(1)) is not None


def _edit(chat: LinkedChat, row: Notification, message: PressedMessage, key: str, *, asks: str = "") -> None:
    """Write the edit of the message that shows what was answered; of one without an id of its own nothing."""
    params = {
        "message": str(message.message_id),
        "alerts": sorted(str(each) for each in list_together(chat.session, row.id)),
        "sent": (row.accepted_at or row.created_at).isoformat(),
    }
    if asks:
        params["asks"] = asks
    chat.write_edit(params, key, row.language)


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
