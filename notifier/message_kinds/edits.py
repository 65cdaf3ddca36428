"""Edits of slot alerts in Telegram: gone, or with what their reader answered; no new message.

Params: `message` (the provider's id), `alerts` (their notifications), `sent` and `at` (ISO 8601). An edit makes no
sound: it is of no group that can be switched off or held back, and its reader can answer still.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.models.base import is_any_of
from api.models.notification import Notification, State
from api.models.user import Contact
from notifier.content.edited_alerts import (
    add_answers,
    describe_gone,
    describe_open,
    list_alerts,
    read_told,
    skip_old,
)
from notifier.content.slot_alert_content import Announcement, SlotOpening
from notifier.message_edits import name_edit
from notifier.message_kind_base import ClaimedRow, MessageKind, Skip, TemplateContext
from notifier.message_kinds.recipients import EDITABLE_CHAT, LINKED_CHAT

_DELETED = Skip(State.SKIPPED, "alert deleted")


def _check_age(_session: Session, row: ClaimedRow, _contact: Contact, now: datetime) -> Skip | None:
    return skip_old(row, now)


def _say_gone(session: Session, row: ClaimedRow, _contact: Contact, now: datetime) -> TemplateContext | Skip:
    """Return what went."""
    told = read_told(session, row)
    if not told:
        return _DELETED
    shown = describe_gone(told, datetime.fromisoformat(row.params["at"]), row.language)
    return add_answers(session, row, shown, now)


def _say_answered(
    session: Session, row: ClaimedRow, _contact: Contact, now: datetime
) -> TemplateContext | Skip:
    """Return the alert with what was answered.

    `asks` of the params: the answer whose alert or desk the buttons ask for; left out where they offer the answers.
    """
    told = read_told(session, row)
    return add_answers(session, row, _describe_shown(session, told, row), now) if told else _DELETED


def _describe_shown(session: Session, told: Sequence[Announcement], row: ClaimedRow) -> TemplateContext:
    """Return what the message says now: that its slots are gone, or what was announced."""
    edit = _find_edit(session, row)
    if edit:
        shown = describe_gone(told, datetime.fromisoformat(edit["at"]), row.language)
    else:
        seen = sa.select(sa.func.max(Notification.seen_at)).where(
            is_any_of(Notification.id, list_alerts(row))
        )
        seen_at = session.scalar(seen)
        openings = [
            (SlotOpening(each.detection, tuple(each.slots), seen_at or each.detection.seen_at), each.stops)
            for each in told
        ]
        shown = describe_open(openings, row.language)
    return replace(shown, values=shown.values | {"is_gone": bool(edit)}, key=(shown.key, bool(edit)))


def _find_edit(session: Session, row: ClaimedRow) -> dict[str, str] | None:
    """Return the params of the edit that says that the message's slots are gone, where it left or is leaving."""
    edit = sa.select(Notification.params).where(
        Notification.dedupe_key == name_edit(row.contact_id, row.params["message"]),
        Notification.state.in_((State.SENDING, State.DELIVERED)),
    )
    return session.scalar(edit)


KINDS = {
    "slot_gone": MessageKind(to=EDITABLE_CHAT, check=_check_age, values=_say_gone, secret=False),
    "slot_answered": MessageKind(to=LINKED_CHAT, check=_check_age, values=_say_answered, secret=False),
}
