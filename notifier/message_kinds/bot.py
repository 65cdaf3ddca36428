"""The bot's reply to a command, and what takes its place once one of its buttons was pressed."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from api.models.user import Contact
from configs.bot_buttons import write_language_button
from configs.languages import MESSAGE_LANGUAGES
from notifier.channel_base import ChoiceButton, Choices
from notifier.content.alert_list import ACTIONS, MOST, ListedAlert, list_alerts, list_buttons
from notifier.content.message_links import account_page
from notifier.message_kind_base import ClaimedRow, MessageKind, TemplateContext
from notifier.message_kinds.recipients import LINKED_CHAT
from notifier.telegram_commands import COMMANDS

_LANGUAGES_IN_ROW = 3


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
    """Return the alerts of a view: all of them, or those to which its action applies."""
    found = list_alerts(session, contact.user_id, now)
    return [each for each in found if each.allows(view)] if view in ACTIONS else found


def _describe(view: str, alerts: Sequence[ListedAlert], language: str) -> TemplateContext:
    shown = alerts[:MOST]
    values: dict[str, Any] = {
        "view": view,
        "alerts": [
            {"number": each.number, "place": each.place, "name": each.name, "state": each.state}
            for each in shown
        ],
        "more": len(alerts) > MOST,
        "commands": COMMANDS,
    }
    if view == "language":
        return TemplateContext(values, choices=_list_languages())
    actions = (view,) if view in ACTIONS else ACTIONS
    return TemplateContext(values, account_page("dashboard"), choices=list_buttons(shown, actions, language))


def _list_languages() -> Choices:
    buttons = [ChoiceButton(name, write_language_button(code)) for code, name in MESSAGE_LANGUAGES.items()]
    starts = range(0, len(buttons), _LANGUAGES_IN_ROW)
    return tuple(tuple(buttons[start : start + _LANGUAGES_IN_ROW]) for start in starts)


KINDS = {"bot_reply": MessageKind(to=LINKED_CHAT, values=_reply, secret=False)}
