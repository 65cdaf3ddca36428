"""Edits of slot alerts with what their reader answered, and the buttons that are left."""

from dataclasses import replace
from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Session

from api.models.answer import AnswerValue
from configs.bot_buttons import shorten_id
from notifier.content.answer_choices import ANSWERED
from notifier.content.answer_links import write_date_link
from notifier.content.given_answers import choose_buttons, list_answers, needs_question, read_matches
from notifier.message_kind_base import ClaimedRow, TemplateContext


def list_alerts(row: ClaimedRow) -> list[UUID]:
    """Return the notifications that left as the message that a row edits."""
    return [UUID(each) for each in row.params["alerts"]]


def add_answers(session: Session, row: ClaimedRow, shown: TemplateContext, now: datetime) -> TemplateContext:
    """Return the context of an edit with the answers to the message, and with the buttons that may be pressed still.

    Once an appointment is found for all of them, the link leads to where its date is given. `asks` of the row's params
    is an answer: the buttons then ask what it is about, where that is not clear.
    """
    alerts, asks = list_alerts(row), row.params.get("asks")
    matches = read_matches(session, alerts)
    asks = asks if needs_question(matches, asks, now) else None
    given = list_answers(matches)
    choices = choose_buttons(matches, asks, row.language, now)
    is_found = bool(choices) and {each.answer for each in matches} == {AnswerValue.FOUND}
    url = write_date_link(alerts) if is_found else shown.url
    return replace(
        shown,
        values=shown.values | {"given": given, "asks": asks, "is_found": is_found},
        url=url,
        substitutions=shown.substitutions | {ANSWERED: shorten_id(alerts[0])},
        key=(shown.key, asks, choices, url, *(tuple(each.values()) for each in given)),
        stop_token="",
        replaces=row.params["message"],
        choices=choices,
    )
