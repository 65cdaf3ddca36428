"""The bot's reply to a command, and what takes its place once one of its buttons was pressed."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session, selectinload

from api.models.alert import REOPENS, Alert, ClosedBecause
from api.models.user import Contact
from configs.ground.bot_buttons import ALL, write_alert_button, write_language_button
from configs.world.languages import MESSAGE_LANGUAGES
from notifier.content.desk_location import location_of
from notifier.content.message_kind_base import LINKED_CHAT, ClaimedRow, MessageKind, TemplateContext
from notifier.content.message_links import account_page
from notifier.content.messages import write_words
from notifier.content.outgoing_message import ChoiceButton, Choices

COMMANDS = ("alerts", "pause", "resume", "stop", "language", "unlink", "help")
_KIND = "bot_reply"
_LANGUAGES_IN_ROW = 3
_MOST = 10  # alerts in one message
_LONGEST = 200  # alerts that are read: a user keeps fewer, but may have stopped some within the day
_ACTIONS = ("pause", "resume", "stop")
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


def _list_alerts(session: Session, user_id: UUID, now: datetime) -> list[ListedAlert]:
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


def _list_buttons(alerts: Iterable[ListedAlert], actions: Sequence[str], language: str) -> Choices:
    """Return a row for each alert with what can be done with it; for one action also a button for all of them."""
    found = list(alerts)
    rows = [
        tuple(_build_button(action, each, language) for action in actions if each.allows(action))
        for each in found
    ]
    if len(actions) == 1 and len(found) > 1:
        label = write_words(_KIND, language, "line", "all")
        rows.append((ChoiceButton(label, write_alert_button(actions[0], ALL)),))
    return tuple(row for row in rows if row)


def _build_button(action: str, alert: ListedAlert, language: str) -> ChoiceButton:
    label = write_words(_KIND, language, "act", action)
    return ChoiceButton(f"{label} · {alert.number}", write_alert_button(action, alert.id))


def _reply(session: Session, row: ClaimedRow, contact: Contact, now: datetime) -> TemplateContext:
    """Return what was asked for, as it is now.

    Params: `view` (`alerts`, `pause`, `resume`, `stop`, `language`, `help`) and, where there is one, `event`, the word
    of what was done just now; `account` the address, shortened, that a chat was linked to; `replaces` the provider's id
    of the reply that it takes the place of.
    """
    view = row.params["view"]
    alerts = _list_for(session, contact, view, now) if view not in ("language", "help") else []
    context = _describe(view, alerts, row.language)
    said = {name: row.params.get(name) for name in ("event", "account")}
    return replace(context, values=context.values | said, replaces=row.params.get("replaces", ""))


def _list_for(session: Session, contact: Contact, view: str, now: datetime) -> list[ListedAlert]:
    found = _list_alerts(session, contact.user_id, now)
    return [each for each in found if each.allows(view)] if view in _ACTIONS else found


def _describe(view: str, alerts: Sequence[ListedAlert], language: str) -> TemplateContext:
    shown = alerts[:_MOST]
    values: dict[str, Any] = {
        "view": view,
        "alerts": [
            {"number": each.number, "place": each.place, "name": each.name, "state": each.state}
            for each in shown
        ],
        "more": len(alerts) > _MOST,
        "commands": COMMANDS,
    }
    if view == "language":
        return TemplateContext(values, choices=_list_languages())
    actions = (view,) if view in _ACTIONS else _ACTIONS
    return TemplateContext(values, account_page("dashboard"), choices=_list_buttons(shown, actions, language))


def _list_languages() -> Choices:
    buttons = [ChoiceButton(name, write_language_button(code)) for code, name in MESSAGE_LANGUAGES.items()]
    starts = range(0, len(buttons), _LANGUAGES_IN_ROW)
    return tuple(tuple(buttons[start : start + _LANGUAGES_IN_ROW]) for start in starts)


KINDS = {"bot_reply": MessageKind(to=LINKED_CHAT, values=_reply, secret=False)}
