"""A user's alerts as the bot lists them, and the buttons that pause, resume and stop them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session, selectinload

from api.models.alert import REOPENS, Alert, ClosedBecause
from configs.bot_buttons import ALL, write_alert_button
from notifier.channel_base import ChoiceButton, Choices
from notifier.content.desk_location import location_of
from notifier.content.messages import write_words

KIND = "bot_reply"
MOST = 10  # alerts in one message
_LONGEST = 200  # alerts that are read: a user keeps fewer, but may have stopped some within the day
ACTIONS = ("pause", "resume", "stop")
# By what state an alert has, what may be done with it.
_POSSIBLE = {
    "active": ("pause", "stop"), "paused": ("resume", "stop"), "waiting": ("stop",), "stopped": ("resume",),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class ListedAlert:
    """An alert in the list."""

    id: UUID
    number: int
    place: str
    name: str | None
    state: str

    @classmethod
    def of(cls, alert: Alert, number: int) -> "ListedAlert":
        """Return how an alert is listed."""
        target = alert.targets[0]
        desk_id = target.desk_id or ""
        prefecture_id = target.prefecture_id or desk_id.partition("/")[0]
        where = location_of(desk_id, prefecture_id)
        place = f"{where.name} ({where.department})"
        return cls(alert.id, number, place, alert.name, _name_state(alert))

    def allows(self, action: str) -> bool:
        """Whether it can be paused, resumed or stopped."""
        return action in _POSSIBLE[self.state]


def _name_state(alert: Alert) -> str:
    if alert.closed_at is not None:
        return "stopped"
    if alert.awaits_watch:
        return "waiting"
    return "active" if alert.enabled else "paused"


def list_alerts(session: Session, user_id: UUID, now: datetime) -> list[ListedAlert]:
    """Return a user's alerts, the oldest first: those that are not over, then those stopped within the last day."""
    stopped = sa.and_(Alert.closed_because == ClosedBecause.STOPPED, Alert.closed_at > now - REOPENS)
    mine = (
        sa.select(Alert)
        .where(Alert.user_id == user_id, sa.or_(Alert.closed_at.is_(None), stopped))
        .options(selectinload(Alert.targets))
        .order_by(Alert.closed_at.is_not(None), Alert.id)
        .limit(_LONGEST)
    )
    return [ListedAlert.of(alert, number) for number, alert in enumerate(session.scalars(mine), 1)]


def list_buttons(alerts: Iterable[ListedAlert], actions: Sequence[str], language: str) -> Choices:
    """Return a row for each alert with what can be done with it; for one action also a button for all of them."""
    found = list(alerts)
    rows = [
        tuple(_build_button(action, each, language) for action in actions if each.allows(action))
        for each in found
    ]
    if len(actions) == 1 and len(found) > 1:
        label = write_words(KIND, language, "line", "all")
        rows.append((ChoiceButton(label, write_alert_button(actions[0], ALL)),))
    return tuple(row for row in rows if row)


def _build_button(action: str, alert: ListedAlert, language: str) -> ChoiceButton:
    label = write_words(KIND, language, "act", action)
    return ChoiceButton(f"{label} · {alert.number}", write_alert_button(action, alert.id))
